// Package history decides what a validator may still sign (EIP-3076), given little of what it signed before. It holds
// no state: a store reads what a decision needs, asks, and writes what is answered.
//
// # Marks and entries
//
// A validator's history has two parts. Marks are the highest slot of a block and the highest source and target of an
// attestation: what is not above them is refused. Entries are blocks by slot and attestations by target, one for each;
// an entry that has grown old is folded into the marks. The minimal strategy folds at once, so that marks are all it
// has; the complete strategy folds what is older than [Keep] epochs, and can therefore sign a duty again and sign in
// the gaps of an imported history.
//
// # Surrounding votes in constant time
//
// A vote surrounds another if its source is lower and its target higher. In a history without a slashable pair, sources
// never fall as targets rise, so a new vote has to be compared with its two neighbours by target only. An imported
// history may not be so orderly; therefore an entry carries, beside its own source, the highest source of all entries
// up to it and the lowest of all from it on. Neither changes when an allowed vote is added: below it no source is
// higher, above it none is lower.
package history
