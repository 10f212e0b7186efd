// Package kdf derives keys from secrets without leaving them about: HMAC, PBKDF2, HKDF and scrypt that read their inputs
// as bytes and keep what they compute with in guarded memory, or wipe it.
//
// The packages of the standard library and of golang.org/x/crypto compute the same, and the tests compare. They are not
// used because of what they leave behind: crypto/pbkdf2 and scrypt turn the password into a string, which nothing can
// wipe; crypto/hmac leaves the key, combined with a constant, in garbage slices; crypto/hkdf leaves the input secret in
// the block buffer of a hash; and each scrypt leaves 256 MiB of garbage whose first kilobyte lets a password be guessed
// without paying scrypt's price. What is taken from them are the hash functions and the Salsa20/8 core.
//
// Not wiped, because Go does not allow it: copies in registers and on the stacks of goroutines.
package kdf
