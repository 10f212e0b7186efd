// Package hsm is the contract of custody: a [Backend] keeps BLS secrets and uses them for its caller. Secrets enter it
// by Generate and Import, and nothing in the contract takes them out: what comes back are public keys, signatures and
// ciphertexts.
//
// # Backends
//
// Each is a package of its own and is opened by its own function, so that a program links only what it names.
// Package hsm/software is the embedded default, one encrypted file. Package hsm/hsmtest is the test that every backend
// passes; one of your own should too.
//
// # How far a backend protects
//
// [Info] says it, as measured when the backend was opened and not as claimed: see [Protection] for the four levels.
//
// # Labels make interrupted work repeatable
//
// A caller that makes many keys may be killed at any moment, also between the moment when a key is stored and the one
// at which the caller has noted that it is. So Generate and Import take a label, the caller's own name for the key
// (“batch 7, validator 3”): a second Generate with the same label returns the key that the first one made. A caller
// that repeats its work with the same labels gets the same keys, none twice and none lost. A label is “” (none) or up to
// [MaxLabel] bytes of printable ASCII, and is unique in the backend. It is not secret.
//
// # Written before published
//
// When Generate or Import returns a key, its secret is stored durably, has been read back from the store, and has made a
// signature that a second BLS library verified. A caller may hand out the public key at once. An error may leave a
// stored key behind to which nothing public refers; the label finds it again.
//
// # Errors
//
// Errors wrap one of this package's sentinels where a caller takes a branch, and say in their text which input was at
// fault. Cancelled contexts come back as errors that wrap the context's error.
package hsm
