// Package software keeps keys in one encrypted file. It is the embedded default: nothing to install, one file to back up.
// Its protection level is hsm.Enveloped: who steals the file without the passphrase learns no key; root, a debugger and
// other code in this process can read the keys that are open.
//
// # The file
//
// A passphrase gives, by Argon2id, a key that encrypts a random data key, and the data key encrypts one record per BLS
// key. So opening a file costs one derivation (t=3, 64 MiB, p=4: the second recommendation of RFC 9106) however many
// keys it holds, each key is decrypted when it is first opened, and a new passphrase rewrites 100 bytes.
//
// Every record is bound to the file, its public key and its label: a record that was moved to another public key, label
// or file does not open. The file is checked as a whole when it is opened, holds its keys through crashes and power
// failures, and belongs to one process at a time.
//
// The encryption is XSalsa20-Poly1305 with a nonce that commits to what the record is bound to.
//
// # What it does not do
//
// Who can write to the file can delete records or put back an older copy of it; it cannot make a record that opens to a
// wrong key. An old copy of the file opens with the passphrase of its time, and deleted records stay in the file's unused
// pages until those are needed: to be rid of a passphrase or a key, destroy the old copies too.
//
// The derivation's work memory (64 MiB, and with it traces of the passphrase) is left to the garbage collector, because
// golang.org/x/crypto/argon2 gives no access to it. The passphrase itself is wiped after use.
package software
