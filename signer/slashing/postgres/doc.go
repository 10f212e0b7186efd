// Package postgres keeps the history of what validators have signed in a
// PostgreSQL database, where several signers share it: the slashing protection of
// EIP-3076, with the decisions of package slashing.
//
// A [Store] is a [signer.Protector]. A call of Protect is one transaction: it locks
// the rows of the validators it is about, in the order of their public keys, reads
// what it needs, decides, writes and commits. Two signers that ask for the same
// validator at the same time wait for one another, so one of two contradicting
// claims is refused; for different validators they do not wait. A batch of any size
// costs one commit and five or six exchanges with the server. That there is one
// block for a slot and one attestation for a target is a constraint of the tables
// as well.
//
// # Tables
//
//	dvkeys_histories     name, genesis validators root, strategy, stopped
//	dvkeys_validators    history and public key, the highest slot, source and target, stopped
//	dvkeys_blocks        validator and slot, signing root or null
//	dvkeys_attestations  validator and target, sources, signing root or null
//
// A database holds any number of histories, told apart by name. [Create] makes the
// tables where they are missing.
//
// # What is asked of the database
//
// Version 12 or later, and honest storage: every transaction asks for a synchronous
// commit, whatever the server's default, but with fsync=off nothing is durable. The
// connection must reach the primary.
//
// A signer whose machine dies in the middle of a call holds up others that ask for the
// same validators for ten seconds at most: then the server ends its transaction, of
// which nothing is recorded.
//
// A history must not go back. A failover to a standby that lags behind, and a
// restored backup, forget what was signed last, and nothing in the database can
// tell. Configure synchronous replication, and after a restore let two epochs pass
// before anything signs, or import what other signers exported. There is no counter
// here as package slashing has for its file: every commit of every signer would
// have to wait for it.
package postgres
