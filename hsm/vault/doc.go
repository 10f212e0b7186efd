// Package vault keeps keys in HashiCorp Vault, or in what speaks its API, in one of two ways.
//
// # The secrets engine
//
// [Open] is a client of the secrets engine in hsm/vault/plugin, which an administrator installs in Vault. Keys are made
// in the engine, split there, sealed there and used there: what comes to this process are public keys, signatures and
// ciphertexts. The level is hsm.Isolated. Secrets never leave Vault; root on Vault's host can read them from the engine's
// memory, and who has a token can ask for what its policy allows.
//
// The engine judges what it signs. Its keys implement signer.DutyKey: package signer hands them deposits, exits and
// attestations as such, the engine computes the roots, holds them against its configuration, and keeps its own slashing
// protection. To sign raw roots has to be switched on in the engine and allowed by the token's policy.
//
// A key's name in Vault is its label if that is a plain name of up to 64 letters, digits, '.', '_' and '-' without two dots
// in a row, and else label- and the SHA-256 of it; a key without a label is called key- and a number. Policies may name
// them.
//
// # Without the secrets engine
//
// [OpenTransit] needs nothing but Vault's own engines: keys are made and used in this process, and are stored encrypted
// under a key of the transit engine, which never leaves Vault, in KV version 2 (see [KV]) or any other store. The level
// is hsm.JustInTime, or hsm.Enveloped with a cache. It is the weaker way, for a Vault whose administrators take no
// plugin.
//
// # A counter
//
// Where the history of signatures is a file (package signer/slashing), a number in KV that only rises ([CreateCounter],
// [OpenCounter]) tells when the file was restored from a backup.
//
// # Tokens
//
// A login ([AppRole], [TokenFile], [Kubernetes]) gives a token, which is renewed at two thirds of its life, replaced by a
// new login when it can be renewed no further, and replaced at once when Vault refuses it. Tokens and what they are
// bought with are strings in ordinary memory, because HTTP clients have them so: what protects the keys is what a token's
// policy allows.
//
// # When Vault is away
//
// Calls are repeated, with growing and random pauses, while Vault is sealed, restarting or electing a leader, until
// Config.Patience or their context ends. Only what is safe to repeat is repeated: names and labels make the making of
// keys so, and compare-and-set the storing of records. Faults are an [*Error] that wraps a sentinel of package hsm.
package vault
