// Package keyfile stores sealed key records in one file. It knows nothing of secrets: what it stores was encrypted by
// its caller, and what it returns the caller decrypts. The record, its label and the guarantees below are the same
// whoever seals: a passphrase, a token or a server.
//
// # Content
//
// A file has an id (16 random bytes, chosen when it is made), a kind (the backend that seals its records, such as
// "software"), a header that the sealing backend defines (key derivation parameters, wrapped keys), and records. A
// record is a public key (48 bytes), an optional label (at most 128 bytes of printable ASCII, unique in the file) and
// sealed bytes. Callers bind id, kind, public key and label to the sealed bytes as associated data, so that a record
// cannot be passed off as another one.
//
// The file is a bbolt database with pages of 4096 bytes. Its buckets are
//
//	file    "header" → version(1) crc(4) id(16) kind length(1) kind header; "count" → records(8)
//	keys    public key(48) → version(1) crc(4) label length(1) label sealed
//	labels  label → public key(48)
//
// Integers are big-endian. A crc is CRC-32C over the entry's key and the rest of its value. The checksums find
// accidents (a flipped bit, a lost page); against an attacker stand only the caller's sealing and, for what is missing
// altogether, the caller's own knowledge of his keys.
//
// # Guarantees
//
// They are those of internal/boltfile: one process at a time, what a call has stored is on disk when it returns, a crash
// leaves the state before a call or the state after it, calls made at the same time share a transaction, a fault of the
// disk is an error and not the death of the process. Open checks every page and every checksum, the label index and the
// count (about 50 ms for 100,000 records). A truncated or damaged file is ErrCorrupt and is not changed.
//
// Deleting or replacing a record does not erase its old sealed bytes at once: they remain in free pages until those
// are reused, and in every copy and snapshot of the file.
package keyfile
