// Package keystore reads and makes the two things in which a validator's keys are kept by people: the words of a mnemonic
// and password-protected files.
//
// # From words to keys
//
// A [Mnemonic] (BIP-39) is 12 to 24 words of one of ten languages. With a passphrase, which may be empty, it gives a
// [Seed], and a seed gives a tree of keys (EIP-2333). Which key of the tree is which, a [Path] says (EIP-2334): that of
// validator i is at m/12381/3600/i/0/0, see [SigningPath].
//
//	mnemonic, err := keystore.ParseMnemonic(text)
//	seed, err := mnemonic.Seed(nil)
//	key, err := seed.Derive(keystore.SigningPath(0))
//
// # Files
//
// A [Keystore] (EIP-2335) is one secret key, encrypted under a password: [Encrypt] makes one, [Keystore.WriteFile] writes
// it in the way of the Ethereum deposit tool, [ReadFile] and [Keystore.Decrypt] get the key back. [WriteDir] and [ReadDir]
// do it for a folder of them, on all processors.
//
// Most keystores are written with scrypt, which takes 256 MiB and half a second for each: that is its purpose, because it
// takes as much for each password that a thief tries. Whatever is called at the same time, the package uses 1 GiB for
// scrypt at most, besides what the garbage collector has not collected. 10,000 such files take more than an hour of one
// processor, while one file of package hsm/software opens as many keys with one derivation: keystores are for exchange
// with other programs.
//
// # What is trusted
//
// Nothing that a file says. Parameters are checked before anything is computed; the public key of what was decrypted is
// computed and compared with the one stated. A file that this package writes is complete when it appears, and no file is
// ever overwritten.
//
// # Secrets
//
// Mnemonics, seeds and keys are in guarded memory and print as nothing of themselves; an error never repeats a word, a
// password or a byte of a key. Passphrases and passwords come from the caller, who wipes them. BIP-39 and normalisation
// (golang.org/x/text) pass words and passwords through registers and stacks, which Go does not let a program wipe.
package keystore
