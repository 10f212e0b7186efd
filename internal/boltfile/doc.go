// Package boltfile keeps a bbolt database that its owner can rely on: whatever a call has stored is on disk when the
// call returns, and a file that is damaged is found out before it is used. What the database means its owner says: the
// buckets, and a check of every entry.
//
// # Guarantees
//
//   - One process at a time: Open takes an exclusive lock and fails with ErrInUse when another holds it.
//   - What Update has stored is on disk when it returns, and View shows nothing that is not yet on disk. Updates made at
//     the same time share one transaction and its two fsyncs.
//   - A crash at any point leaves either the state before an Update or the state after it. A new file appears under its
//     name complete or not at all; a crash may leave a temporary file beside it.
//   - Open reads the whole file with ordinary reads before anything maps it, and checks every page, the list of free
//     pages and, by the owner's Check, every entry. A truncated or damaged file is ErrCorrupt and is not changed. Damage
//     beyond the last used page goes unnoticed: nothing is stored there.
//   - A fault while the open file is read (it was cut short by somebody else, or the disk fails) is ErrCorrupt, not the
//     death of the process.
//   - A full disk fails the Update with ErrNoSpace, stores nothing, and leaves the file usable. After any other failure
//     of a write or an fsync nobody can say what the disk holds, so every later call fails with ErrFailed until the file
//     is opened again.
//
// An entry is best framed (Frame): a version, a checksum over key and value, the value. Checksums find accidents; against
// an attacker stands only what the owner puts into the values.
package boltfile
