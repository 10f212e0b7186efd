package signer

import (
	"context"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// SignedExit is a voluntary exit with its signature, as the beacon API takes it:
// [SignedExit.MarshalJSON]. What [SignExit], [CombineExit] and a quorum make has
// been verified; what was parsed has not.
//
// A signed exit needs nothing more to end the validator, at any later time: keep it
// as a secret, encrypted by [SignedExit.Encrypt].
type SignedExit struct {
	Exit      VoluntaryExit
	Signature keyshare.Signature
}

// SignExit signs an exit with a validator's whole key, and verifies the signature
// by the BLS library that did not make it.
func SignExit(ctx context.Context, n *Network, k keyshare.Key, e VoluntaryExit) (*SignedExit, error) {
	root, err := SigningRoot(n, e)
	if err != nil {
		return nil, err
	}
	if k == nil {
		return nil, errors.New("signer: exit: the key is missing")
	}
	result := signAs(ctx, n, k, []Duty{e}, []keyshare.Root{root})[0]
	if result.Err != nil {
		return nil, fmt.Errorf("signer: exit: %w", result.Err)
	}
	return verifiedExit(root, k.PublicKey(), &SignedExit{e, result.Signature})
}

// CombineExit makes an exit's signature of the partial signatures that members of a
// group made with their shares, each for itself and at any time: at least a
// threshold of them. The error is a *[keyshare.CombineError] if there are too few or
// some are bad.
func CombineExit(n *Network, g *keyshare.Group, e VoluntaryExit, partials map[keyshare.Index]keyshare.Signature) (*SignedExit, error) {
	root, err := SigningRoot(n, e)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return nil, errors.New("signer: exit: the group is missing")
	}
	signature, err := g.Combine(root, partials)
	if err != nil {
		return nil, fmt.Errorf("signer: exit: %w", err)
	}
	return verifiedExit(root, g.PublicKey(), &SignedExit{e, signature})
}

// Verify reports whether the exit is signed by a validator's key for a network.
func (e *SignedExit) Verify(n *Network, validator keyshare.PublicKey) error {
	root, err := SigningRoot(n, e.Exit)
	if err != nil {
		return err
	}
	_, err = verifiedExit(root, validator, e)
	return err
}

func verifiedExit(root keyshare.Root, validator keyshare.PublicKey, e *SignedExit) (*SignedExit, error) {
	if validator.IsZero() || !validator.VerifyIndependent(root, e.Signature) {
		return nil, fmt.Errorf("signer: exit: the signature does not verify under the public key %v", validator)
	}
	return e, nil
}
