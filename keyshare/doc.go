// Package keyshare is the vocabulary of distributed-validator keys: what a key,
// a share, an operator and a group are, and how one becomes the other.
//
// # The path
//
// A validator's [SecretKey] is generated, [Split] into one [Share] per operator,
// and each share is sealed to its operator's RSA key ([Share.Seal]), which makes a
// [Sealed] that can be published. The operator opens it ([Open]) with a key that
// may live in a token. What is public of all this is the [Group]: its members, its
// threshold and a commitment that lets anybody compute each member's public key.
// Members sign with their shares; any threshold of their partial signatures
// combine to the validator's signature ([Group.Combine]), which nobody can tell
// from one made with the whole key.
//
// # Keys that may be anywhere
//
// A [Key] signs 32-byte roots and may live in this process, in a token or in
// another machine. [SecretKey] and [Share] are keys in this process's guarded
// memory. A root says nothing of slots and epochs, so a Key signs what it is given;
// validators on a network sign through package signer, which knows what it signs.
//
// # What is refused
//
// Parsing checks everything: points are on the curve, in the subgroup and not
// infinity; secrets are neither zero nor above the group order; indices are not 0
// and distinct; an operator's RSA key has 2048 bits and exponent 65537, as the SSV
// network demands. A [PublicKey] or [Signature] that is not the zero value has
// passed these checks.
//
// # Secrets
//
// Secrets lie in guarded memory and are opened for the time of one use. They print
// as the public key they belong to. [SecretKey.Use] is the one place where the
// bytes of a key can be read.
package keyshare
