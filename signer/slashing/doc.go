// Package slashing keeps the history of what validators have signed, in one file,
// and refuses what contradicts it: the slashing protection of EIP-3076.
//
// A [Store] is a [signer.Protector]. One call of Protect checks any number of
// claims and records them in one transaction, which is on the disk before the call
// returns: no signature exists before its record. Calls made at the same time share
// a transaction. Histories are kept by the validator's public key, also where a
// share of it signs. What a claim costs does not depend on how long the history is.
//
// # Strategies
//
// [Minimal] keeps the highest slot, source and target of each validator and lets it
// sign only beyond them. It is the smallest history that is safe, but a duty whose
// signature was lost on the way can not be signed again. [Complete] also keeps each
// block and attestation of the last 512 epochs: the same duty may be signed again,
// which gives the same signature, and one may sign in the gaps of an imported
// history, where EIP-3076 allows it. What is older is folded into the highest
// numbers. A strategy is chosen when the store is made.
//
// # Interchange
//
// [Store.Import] takes a file in the interchange format, version 5, as a whole or,
// if it has any fault, not at all. It unites it with what is there and never makes
// anything signable that was not: it can be repeated, and a file may hold slashable
// entries, since some clients lose signing roots. [Store.Export] stops the signing
// of the validators that it writes, and it stays stopped over a restart until
// [Store.Resume]: a history that has left and goes on here as well protects nobody.
//
// The file is bound to one chain by its genesis validators root when it is made,
// and opening, importing and [signer.NewGuard] compare it.
//
// # Damage, and an old copy
//
// Every page and entry is checked when the file is opened; a damaged one is
// [ErrCorrupt] and stays as it is. Do not put an old copy in its place: it knows
// nothing of what was signed since, and signing with it can be slashed. Import the
// latest interchange file instead and wait out two epochs, or let another signer's
// history stand in.
//
// A file can not tell that it is an old copy of itself. A [Counter] can: a number
// that only rises and that lies where a backup of the file does not reach. With one
// in [Options], opening an older copy, or a new file in place of a lost one, is
// [ErrRollback]. A PKCS #11 token can hold it (Token.CreateCounter of package
// hsm/pkcs11), and so can Vault (CreateCounter of package hsm/vault). The software
// backend, whose file lies beside this one, can not: without a counter nothing
// detects an old copy.
package slashing
