// Package bls is the library's only door to BLS12-381: keys, signatures,
// points, secret scalars, hashing to the curve, pairing checks and the
// arithmetic of secret sharing.
//
// The scheme is Ethereum's: public keys in G1 (48 bytes compressed), signatures
// in G2 (96 bytes compressed), ciphersuite
// BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_ of
// draft-irtf-cfrg-bls-signature-05, messages that are 32-byte signing roots.
//
// # Two libraries, one rule
//
// Secret scalars only ever touch blst, whose scalar multiplication is constant
// time. A [PublicKey] or [Signature] is a decoded blst point. herumi's library is
// the second opinion: [VerifyIndependent] and [VerifyBatchIndependent] ask it
// whether signatures that blst made are right, before one that can not be taken
// back leaves the process. No other package imports either, and none needs to
// know that there are two.
//
// # Secrets
//
// A secret scalar is passed as 32 big-endian bytes that the caller holds in a
// [github.com/claystack/dvkeys/internal/secret.Buffer]. The functions here copy
// it into a guarded buffer of their own, in the byte order that blst wants, and
// wipe that when they return.
//
// # What is refused
//
// Zero and scalars that are not below the group order; points that are not on
// the curve, not in the subgroup or at infinity; wrong lengths; non-canonical
// encodings. blst's checks are called explicitly at each decoding, so that no
// switch which another package in the process may turn can skip them. No error
// holds bytes of its input.
//
// # Build
//
// Both libraries are C. Without cgo this package fails to compile with one
// error that says so.
package bls
