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
// wraps [ErrFork], and nothing is guessed. An aggregate can then be signed by the root
// that its caller computes: [AggregateRoot].
//
// # Guards
//
// A [Guard] holds one key, a validator's or a share of it, and signs duties with it;
// nothing makes it sign a bare root. What a duty passes, in this order: the policy
// ([GuardOptions]: without any, all that can not be taken back is denied), the checks
// of [SigningRoot], and for an attestation or a block the [Protector], which has
// recorded it durably before the key is used. A signature that can not be taken back
// (deposit, exit, credential change, registration, owner nonce) is verified by a
// second BLS library before it leaves. [SignAll] signs for many guards with one
// commit of the history. A [Quorum] combines the partial signatures of several
// guards.
//
// Packages signer/slashing and signer/slashing/postgres keep the history: in a file
// of this process, or in a database that several signers share. A history protects
// only against what is signed by way of it: the same key, or enough shares of it, in
// two places with two histories can be slashed.
//
// # Exits
//
// [SignExit] signs a voluntary exit, [CombineExit] makes one of partial signatures
// that were made apart, and [WriteExits] keeps them in files, encrypted or not, for
// the day they are needed. A withdrawal address can have its validator exit without
// any BLS key: [ExitRequest].
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
