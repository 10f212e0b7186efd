// Package dvkeys makes distributed validators: it is the short way through the
// packages below it, for a staking orchestrator that wants validators which are
// ready to register with the SSV network and to deposit for.
//
// # The main job
//
// [Onboard] takes a custody backend and a [Spec], and for each validator
//
//   - generates a key in the backend, which stores it, reads it back and test-signs
//     with it;
//   - splits the key among the operators and encrypts each share to its operator's
//     RSA key, inside the backend, so that only ciphertexts and public points come
//     out;
//   - signs the deposit and the owner's SSV nonce, and verifies both with a second
//     BLS library.
//
// [Batch.WriteFiles] writes what came of it: deposit data for the launchpad,
// keyshares for SSV, and the calldata of every transaction to send. [VerifyFiles]
// checks such a folder offline. dvkeys itself sends nothing and asks no network: the
// owner's nonce, the cluster's state and the operators' keys are the caller's to
// know.
//
// # Nothing is lost
//
// A process may die at any point of this. Called again with the same spec, Onboard
// finds the keys that were made and gives the same validators the same nonces; files
// appear together or not at all, and never in place of others.
//
// # The packages
//
//   - keyshare is the vocabulary: keys, shares, groups, operators. keyshare/ssv is
//     what the SSV network makes of it.
//   - shamir is the mathematics of sharing.
//   - signer knows what may be signed, on which network: every duty of a validator,
//     deposits, exits; its Guard refuses to sign twice, with signer/slashing, and its
//     Quorum signs with a threshold of members.
//   - keystore reads and writes mnemonics, derived keys and EIP-2335 files.
//   - hsm is custody: hsm/software is an encrypted file, hsm/pkcs11 a token, with its
//     records in a hsm/store, hsm/vault a Vault; hsm/hsmtest is the test that every
//     backend passes.
//   - dkg makes keys without a dealer: operators generate them together, over
//     dkg/transport. [CeremonyRoots] and [FromCeremony] end that in the same files.
//
// What protects a secret where, and what does not, is in SECURITY.md.
package dvkeys
