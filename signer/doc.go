// Package signer knows what a validator key may sign, and for which network.
//
// A [Duty] is a typed object that a validator key signs: an [Attestation], a
// [Block], a [Deposit], a [VoluntaryExit] and so on. The set is closed: only this
// package adds to it, so nothing else can carry an arbitrary 32-byte root to a key
// under the name of a duty. [SigningRoot] derives the root of a duty on a
// [Network], and refuses a duty that the network would not honour.
//
// # Forks
//
// Most duties are signed under the fork in force at their epoch: an attestation's
// is its target's, a block's that of its slot. Exits have the Capella version for
// good (EIP-7044); deposits, registrations and credential changes that of genesis;
// an owner nonce has no domain at all. Where the rules of a fork are not known (a
// network whose schedule is not complete, an aggregate under Gloas) the error
// wraps [ErrFork], and nothing is guessed.
//
// # Networks
//
// [Mainnet], [Hoodi], [Sepolia], [Holesky], [Gnosis] and [Chiado] are known by
// name; [Ephemery] is made for one of its iterations and [NewNetwork] makes any
// other. A deposit's signature is bound to the genesis fork version and to nothing
// else, so no custom network may have that of a known one.
//
// # Deposits
//
// A deposit cannot be taken back, and the deposit contract checks neither the
// signature nor where the withdrawal credentials point: a mistake is paid with the
// whole stake. [SignDeposit] therefore checks all it is given before it signs, and
// verifies the signature with a second BLS library before it returns it.
// [MarshalDeposits] writes the file that the staking launchpad takes;
// [VerifyDeposits] trusts nothing in such a file and names every fault;
// [DepositData.Calldata] and [DepositData.StakeCalldata] are the transactions'
// data for the deposit contract and for an EigenPod.
//
// # Amounts
//
// A deposit's amount is in [Gwei] on every network, at least 1e9 and 32e9 for a
// full validator. On Gnosis and Chiado the token is GNO and 1 GNO counts as 32e9
// gwei: [Network.ParseAmount] takes what a user of the network would write.
package signer
