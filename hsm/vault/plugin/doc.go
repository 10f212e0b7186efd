// Package plugin is a secrets engine for Vault that keeps BLS12-381 validator keys: they are made, shared, sealed and
// used inside of it, and no path gives one out. The program that Vault starts is cmd/vault-plugin-dvkeys; docs/vault.md of
// the library says how to install it and which policies go with it.
//
// The paths, and the JSON objects of requests and answers, are described in package wire (hsm/vault/internal/wire). In
// short:
//
//	keys, keys/:name list, make, read, delete; only public data comes out
//	<kind>, <kind>/:name
//	                 sign duties: attestation, block, deposit, exit, … The engine computes the signing roots.
//	split, split/:name
//	                 share keys among operators; sealed shares come out
//	seal/:name       seal a key that is a share to its operator, if the configuration allows it
//	sign, sign/:name sign raw roots, if the configuration allows it
//	import, import/wrapping, history/:name
//	config, stats
//
// Those without a name take many keys in one request.
//
// # What may be signed
//
// A policy of Vault says which token may use which path. The configuration narrows what anybody may do: the networks, the
// withdrawal addresses of deposits, the fee recipients of registrations, the RSA keys that shares are sealed to. An empty
// list permits nothing, "*" permits all; a new mount permits nothing.
//
// Blocks and attestations are checked against the key's history by the rules of package signer/slashing. The new history
// is in Vault's storage, durably, before the signature exists, and one lock for each key covers both. The history belongs
// to the public key and the network, and outlives the key: who deletes a key and imports it again does not start anew.
// Raw signing goes past all of this, which is why it is off.
//
// # Where the secrets are
//
// Each secret is stored under Vault's barrier and, within that, encrypted under a data key of the engine
// (XSalsa20-Poly1305, bound to name and public key): so the secrets are not in the clear in the memory of Vault's own
// process either, nor in the buffers between it and the plugin. The data key passes through them once, when the plugin
// starts.
//
// Opened keys stay in guarded memory of the plugin's process (locked, not dumped, encrypted while not in use) until the
// key is deleted or changes on another node, the mount is reloaded or disabled, or Vault is sealed, which ends the
// process. The RSA keys of imports, and what they decrypt, are in ordinary memory until they are used once.
package plugin
