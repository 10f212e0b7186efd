// Package eip2335 encrypts secrets under a password as EIP-2335 does: the "crypto" object of a keystore, for a secret of
// any length. A validator's key has 32 bytes; an SSV operator's RSA key, which is kept in the same form, about 1675.
//
// # Format
//
// A key of 32 bytes is derived from the password by scrypt (n 262144, r 8, p 1) or PBKDF2-HMAC-SHA256 (262144
// iterations) with a salt of 32 bytes. Its first half encrypts the secret by AES-128 in counter mode; the SHA-256 of its
// second half and the ciphertext is the checksum that tells a wrong password. Salt and IV are random for each object: two
// objects with the same key and IV would give their secrets away.
//
// # Passwords
//
// EIP-2335 normalises a password (NFKD), drops control characters and takes its UTF-8 encoding. Some tools take the
// password as it is, so Decrypt tries that next where it makes a difference. Encrypt refuses passwords that other tools
// read in another way: those with spaces at either end, which some trim, and those that are not UTF-8.
//
// # What is refused
//
// Algorithms are compared by their exact names, and an object that names another is refused even where its checksum
// holds. So are parameters that are invalid, and those that would cost more than a gibibyte of memory or about half a
// minute: an object is input from outside, and decrypting it should not stop the process.
//
// # What stays in memory
//
// Password, derived key and secret are in guarded memory. The standard library's AES keeps its expanded key, from which
// the encryption key can be read, in ordinary memory until the garbage collector has used that again.
package eip2335
