// Package shamir shares a secret of the BLS12-381 scalar field among n holders
// so that any t of them can use it and fewer than t learn nothing (Shamir, "How
// to Share a Secret", 1979), with commitments by which every holder can check
// his share (Feldman, "A Practical Scheme for Non-interactive Verifiable Secret
// Sharing", 1987). It is mathematics only: no keys, files or networks.
//
// # Shares
//
// A dealer draws a polynomial f of degree t-1 whose constant term is the secret,
// and hands f(x) to the holder at x. The x-coordinate of a holder is an [Index]:
// any uint64 but 0, since f(0) is the secret. In the SSV network it is the
// operator's id on chain, not a number 1…n.
//
// # The threshold can not be mistaken
//
// The [Commitment] to f, its coefficients times the generator of G1, is what
// carries the threshold: it has one point per coefficient. [Combine] takes the
// commitment, checks every share against it and gives the committed secret or an
// error that names the bad shares; there is no call that takes a threshold beside
// it, and none that returns a wrong secret.
//
// # Secrets
//
// A [Scalar] lives in guarded memory, is opened for the time of a call and never
// prints. Arithmetic on secrets is constant time; arithmetic on commitments and
// x-coordinates, which are public, is not.
package shamir
