// Package dkg makes threshold keys without a dealer: operators generate a validator key
// together so that each gets a share and the whole key never exists anywhere. It also
// hands keys over to other operators or another threshold (reshare), renews shares in
// place (refresh), and finds lost shares again (recover).
//
// # A ceremony
//
// All participants agree on [Params] and run a [Party] each, over any transport, which
// need not be trusted. There are three rounds and an acknowledgement; every message is
// signed by its sender's RSA key (which may be in a token) and is for everybody:
//
//	Hello     a key to encrypt shares to, fresh randomness, and a commitment to the dealing
//	Deal      the dealing: commitments to a random polynomial, a proof of knowledge of its
//	          constant term, and its value at each operator's id, encrypted to that operator
//	Confirm   a hash of all that came before and all that follows from it, signed by the
//	          sender's new share of each key, which is in custody by then; the signatures
//	          that the application wants; and the share in the form of the SSV network
//	Ack       that the sender has all Confirms
//
// The sum of the dealings is the key. A batch of keys takes one ceremony. In a reshare the
// dealers' constant terms are their old shares, and the dealings are interpolated.
// PROTOCOL.md beside this file settles every byte, the order of the checks and the codes
// of blame.
//
// # Using it
//
// [Run] drives a Party over a [Transport], with a [Journal] of what was said and a
// [Custodian] for the shares. Package dkg/transport has transports. Who wants other
// threads or storage feeds a Party with [Party.Step] and does what its [Output] says: a
// Party does no input or output and knows no time.
//
// # What holds
//
//   - Secrecy: fewer than threshold participants, however they deviate, learn nothing of
//     the key beyond its public key. In particular those who speak last can not choose it:
//     a dealer proves that it knows the secret it deals, bound to the session, and has
//     committed to the dealing before it sees those of others.
//   - Agreement: who has a complete certificate has the same keys, groups and signatures as
//     everybody else who has one. A party that missed the end is convinced by transcript
//     and certificate later: [Verify], [Recover]. What an operator publishes of its own share
//     in SSV form is not agreed on: it may give peers different, or useless, ciphertexts,
//     which harms no other share; acknowledgements then stay incomplete.
//   - Blame: a ceremony that fails by somebody's fault names a party that is at fault, with
//     [AbortError.Evidence] that convinces third parties ([VerifyEvidence]). One that
//     fails by silence is a [TimeoutError] and blames nobody. There is one code without
//     proof, CodeRoots: operators whose programs sign different things.
//   - Durability: what a party says is in its journal before it is sent, its shares are in
//     custody before it confirms, and after a crash it says the same again or nothing.
//
// It is not robust: one participant that refuses stops a ceremony, which is then begun anew
// without it. For a validator's operators, who are named in a contract, that fits better
// than to go on with fewer.
//
// # What is assumed
//
//   - Discrete logarithms and the computational Diffie-Hellman problem in G1 of BLS12-381
//     are hard, SHA-256 and SHA-512 behave as random oracles, HKDF-SHA256 and
//     XSalsa20-Poly1305 are what they promise, RSA signatures are unforgeable.
//   - The participants' RSA keys in Params are theirs. Compare them with a register
//     ([Params.CheckKnown]).
//   - Key generation of this kind (simplified Pedersen with proofs of possession,
//     encryption and a certificate) is proved with Schnorr signatures as FROST uses them
//     (Crites, Gurkan, Komlo, Maller and Stewart, eprint 2023/899), and Pedersen key
//     generation with BLS at an honest majority (Gurkan and others, eprint 2021/005). No published proof
//     covers exactly this pair, of this key generation and BLS signatures, against a
//     dishonest majority. It is an assumption here.
//   - The adversary may bias the key by making ceremonies fail until one pleases it.
//     That does not help against BLS signatures; count who makes them fail.
//
// # What does not hold
//
//   - A reshare does not revoke. Old shares, at least the old threshold of them, can still
//     sign, for ever: see [Generations] for how not to sign with both, and destroy the old
//     ones. Nobody can prove that a share is destroyed.
//   - To deal in a reshare, a party needs its old shares in its process while it deals.
//     Custody that only signs does not give them; Recover does, by the RSA key.
//   - Signatures of the application's roots are made with the Confirms. Once a threshold of
//     these is public anybody can combine them, even if the certificate never is complete.
//   - There is no forward secrecy for who publishes shares encrypted to long-lived RSA keys:
//     whoever gets an operator's RSA key and the transcript or certificate has its share.
//   - crypto/rsa keeps copies of what it decrypts in memory that nothing here can wipe. It
//     decrypts a seed when a process is restarted or recovers, and never otherwise.
package dkg
