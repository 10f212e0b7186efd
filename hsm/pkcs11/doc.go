// Package pkcs11 keeps keys with the help of a PKCS #11 token: a hardware security module, a smart card, or for tests a
// program such as SoftHSM. Most tokens cannot sign BLS12-381. What they can do is keep an AES key that never leaves them,
// and that is what a [Token] is used for: it seals each BLS key into a record outside of it, and opens it again for each
// signature.
//
// # What is where
//
// In the token: one AES-256 key, the key-encryption key, generated there, sensitive, never extractable, allowed to encrypt
// and decrypt and nothing else. There are no objects for single keys, because tokens slow down with their number. And the
// RSA keys of SSV operators, if wanted ([Token.RSA]), which never leave the token.
//
// Outside: one record for each key, in a store (package hsm/store): a file, or a PostgreSQL database that several signers
// share. A record is AES-256-GCM with an IV of 12 random bytes and a tag of 16, bound to the public key, the label and the
// label of the key-encryption key. IVs are random, so one key-encryption key should seal no more than 2³² records; then
// [Token.Rotate].
//
// # How far this protects
//
// The level is hsm.JustInTime: the secret is in guarded memory of this process while a signature is made, a millisecond,
// and otherwise nowhere in the clear. Who steals disk and backups has nothing without the token, and when the token's key
// is disabled, signing stops at once. Code in this process can ask the token as this package does. With Config.Cache the
// level is hsm.Enveloped: opened keys stay in guarded memory.
//
// A change of the PIN by itself ends no login: PKCS #11 has no such thing. It stops the next login, after which calls fail
// with hsm.ErrAuth. To stop signing at once, take the permission to decrypt from the key-encryption key, or destroy it.
//
// [Token.Info] says what was measured: for SoftHSM, HardwareBacked is false, whatever it says of itself.
//
// # What the module holds
//
// The module runs in this process. This package gives it guarded memory to write secrets into and calls it for that
// without the copies that github.com/miekg/pkcs11 makes. What the module does with them before is its own affair: the
// library of a network HSM decrypts its protocol's messages somewhere, and SoftHSM, which does all its work in the calling
// process, has the token's keys and the PIN in its memory for as long as the login lasts. SoftHSM 2.6.1 wipes its buffers:
// after a signature the tests find no copy of the BLS key in the process.
//
// # Tokens that sign BLS12-381 themselves
//
// Some tokens do, each by a mechanism of its vendor. A [Profile] describes how; [IBMEP11] is the one of IBM's Crypto
// Express cards. [OpenNative] has such a token sign, refuses it unless the signature is Ethereum's, and returns a backend
// whose keys are generated and used in the token and never leave it: hsm.Native. The price is that a key cannot be split
// there; shares are imported. Package testtoken is a token to try this without a card.
//
// # A counter
//
// A token can hold a number that only rises ([Token.CreateCounter]). Package signer/slashing keeps with it what it
// committed last, and then refuses a history of signatures that was restored from a backup.
//
// # Staying up
//
// One session is parked to keep the login, a few others are opened when needed and kept. A lost session or login is set
// right within the call that meets it, three times if need be; after a fourth it fails with hsm.ErrUnavailable. A key that
// only a lost login hides is never taken for one that is not there. A token that is gone makes calls fail with
// hsm.ErrUnavailable, at once during pauses of 0.1 to 5 seconds between attempts, until it is back. A PIN that was refused
// is not tried again, because tokens lock: calls fail with hsm.ErrAuth until the token is opened anew. A call returns when
// its context ends, even if the module hangs; that is hsm.ErrUnavailable too.
//
// PKCS #11 logs in a process, not a caller. A second token opened on the same slot shares the login of the first, and its
// PIN is then not checked.
//
// # Build
//
// Modules are loaded with dlopen, so this package needs cgo and a Unix system, and gives one clear error otherwise.
package pkcs11
