package report

import "slices"

// text says what a group of rows is, for the reader of the results.
type text struct {
	group, title, note string
	plotted            func(Row) bool // which rows stand in the plot; nil for all
	unmarked           string         // a lane that does other work than the row, and has no mark in the plot
}

var catalog = []text{
	{
		group: "Sign", title: "Signing",
		note: "A batch of distinct roots is signed by one key in one call; one root is signed by as many keys, in as many calls. " +
			"blst and herumi are called straight, with the key in ordinary memory, and hash each root again. software is the " +
			"encrypted file; pkcs11-cached keeps opened keys, pkcs11-jit has the token open the key for each call (SoftHSM); vault is the " +
			"secrets engine in a Vault on the same machine, one HTTP request for each call, whose cores are not counted. The " +
			"limit is one hash of each distinct root, one constant-time multiplication for each signature, and one division " +
			"for each batch.",
		plotted: func(r Row) bool {
			return r.is("batch", "1") && r.is("roots", "distinct") || r.is("batch", "1000") && r.is("roots", "one")
		},
	},
	{
		group: "Verify", title: "Verifying",
		note: "Decoded points and roots that were not hashed before; one root is that of a round, hashed once by dvkeys. dvkeys verifies a batch by one random linear combination. The " +
			"baseline is blst, one signature after the other, each on one core. The limit is one hash and one Miller loop for " +
			"each distinct root, one more Miller loop and one final exponentiation for each batch, and two multi-scalar " +
			"multiplications by 128-bit weights where a batch has several signatures.",
		plotted: func(r Row) bool { return r.is("cores", "1") && r.is("roots", "distinct") },
	},
	{
		group: "Combine", title: "Combining partial signatures",
		note: "From a threshold of partial signatures of 96 bytes to a verified signature of a root that was not hashed before, on one " +
			"core. herumi and blst go the usual way: decode, check and verify each, recover, verify the result. verify-each does " +
			"as drand does: it also computes each member's public key from the public polynomial. verification is one ordinary " +
			"verification, hashing included, of a signature that is decoded. The limit decodes the partial signatures without " +
			"subgroup check, checks one for all and verifies one.",
		unmarked: "verification",
	},
	{
		group: "Protect", title: "Slashing protection",
		note: "Claims that are checked and durably recorded, alone. Batches are of as many validators. The limit appends as many bytes " +
			"as the claims have to a file and syncs it. PostgreSQL runs on the same machine, with fsync, over a Unix socket.",
		plotted: func(r Row) bool { return r.is("strategy", "complete") && !r.is("batch", "1") },
	},
	{
		group: "Guard", title: "Guarded signing, end to end",
		note: "One attestation for each of many validators, all over one root: the duty's root, policy, slashing records durably committed, " +
			"signatures by keys of the software backend. blst signs as many, hashing each time, on as many cores, and records " +
			"nothing. The limit is one hash, the multiplications and one synced write.",
		plotted: func(r Row) bool { return r.is("strategy", "complete") },
	},
	{
		group: "Open", title: "Opening the key store",
		note: "An encrypted file of that many keys is opened, and every key in it, ready to sign. eip2335 decrypts keystore files with " +
			"scrypt, as written by the deposit tools. The limit reads the file, derives one key from the passphrase, and for each " +
			"key decrypts 32 bytes and computes the public key.",
	},
}

// position returns where the catalog has a group; its end if it has not.
func position(group string) int {
	if i := slices.IndexFunc(catalog, func(t text) bool { return t.group == group }); i >= 0 {
		return i
	}
	return len(catalog)
}

func about(group string) text {
	if i := position(group); i < len(catalog) {
		return catalog[i]
	}
	return text{group: group, title: group}
}

func (r Row) is(key, value string) bool { return slices.Contains(r.Keys, Key{key, value}) }
