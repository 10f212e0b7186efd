// Package ssv reads, writes and verifies what the SSV network exchanges:
// operator keys, sharesData, keyshares files, and calls to its contract.
//
// # What the network takes
//
// A validator's key is split among 4, 7, 10 or 13 operators, of which 3, 5, 7 or
// 9 must sign ([Threshold]). The x-coordinate of a share is its operator's id on
// chain. Each share is encrypted to its operator's RSA-2048 key, which is what
// package keyshare's Seal does. The validator's key signs its owner's address
// and nonce ([OwnerNonceRoot]), so that nobody else can register it. Signature,
// share public keys and ciphertexts are laid one after another into [SharesData],
// which the owner sends to the contract ([RegisterValidator]).
//
// The contract checks none of this. What is wrong is found by the operators'
// nodes after the fee has been paid: they ignore the registration, or run the
// validator with fewer operators. So everything is checked here, offline, before
// it leaves: [NewItem] builds nothing faulty, and [ParseFile] and [Verify] find in
// a file of any origin every fault that can be seen without a private key; with
// an operator's private key, [VerifyShares] finds the rest.
//
// # Files
//
// A keyshares [File] holds one [Item] for each validator. [ParseFile] reads
// versions 1.0.x to 1.2.x and [File.Bytes] writes 1.2.0, or 1.1.0 on request.
// The order of the items is the order of registration, since the nodes count an
// owner's nonces. [ReadOperators] reads the operators from a list or from another
// keyshares file.
//
// # Operators
//
// [ParseOperatorKey] reads an operator's public key in all its forms and
// [FormatOperatorKey] writes the one that the network uses. On the operator's
// side, [OpenOperatorKey] reads the private key, raw or encrypted, and
// [OpenShare] decrypts his share; a key in a token serves as well.
package ssv
