// Package consensus computes what a validator key signs: SSZ roots of the signed objects, domains, signing roots, and
// the networks with their fork schedules that the domains depend on. It is the only package that imports zrnt.
//
// # What is taken from zrnt
//
// The hash tree roots of containers and the domain arithmetic, with every input given explicitly. Not taken: zrnt's
// fork lookup by slot (it never answers Capella), its configurations (two networks, with the later forks left at the
// far future), its JSON and its BLS library. Every root is computed with a hash function of its own, because the one
// that zrnt hands out works in a scratch buffer that two goroutines must not share.
//
// # Which fork a signature is made for
//
// Deposits are valid on any fork: their domain has the genesis fork version and a zero genesis validators root, so the
// genesis fork version is all that keeps a deposit of one network from being replayed on another. A change of
// withdrawal credentials has the genesis fork version with the network's real validators root. An exit has the Capella
// fork version for good (EIP-7044). Everything else takes the fork in force at the epoch of the duty: [Network.ForkAt].
//
// Keys, roots and addresses are plain arrays here, in the byte order of their wire form.
package consensus
