package hsm

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// MaxLabel is the length of the longest label in bytes.
const MaxLabel = 128

// CheckLabel returns an error unless the label is "" or up to MaxLabel bytes of printable ASCII (0x20 to 0x7e). Backends
// call it before anything else.
func CheckLabel(label string) error {
	if len(label) > MaxLabel {
		return fmt.Errorf("hsm: label has %d bytes, expected at most %d", len(label), MaxLabel)
	}
	for i := range len(label) {
		if label[i] < ' ' || label[i] > '~' {
			return fmt.Errorf("hsm: label has the byte %#02x at place %d, expected printable ASCII", label[i], i)
		}
	}
	return nil
}

// CheckSplit returns an error unless the operators pass keyshare.CheckOperators and the threshold is at least 2 and at
// most their number. Backends call it before anything else.
func CheckSplit(threshold int, to []keyshare.Operator) error {
	if err := keyshare.CheckOperators(to); err != nil {
		return err
	}
	if threshold < 2 || threshold > len(to) {
		return fmt.Errorf("hsm: threshold %d, expected 2 to %d, the number of operators", threshold, len(to))
	}
	return nil
}

// testRoot is what test signatures are made over: no signing root of the consensus specification, which are hashes of
// other things.
var testRoot = keyshare.Root(sha256.Sum256([]byte("dvkeys/hsm test signature v1")))

// TestSign has a key sign a fixed root that means nothing, and verifies the signature with the BLS library that did not
// make it. Backends call it with the key as read back from the store before Generate and Import return it. A wrong
// signature is ErrCorrupt.
func TestSign(ctx context.Context, k keyshare.Key) error { return TestSignAll(ctx, k)[0] }

// TestSignAll is TestSign for many keys, whose signatures are verified together: of eight keys or more this is three times
// as fast. It returns an error for each key, in order.
func TestSignAll(ctx context.Context, keys ...keyshare.Key) []error {
	errs := make([]error, len(keys))
	claims := make([]keyshare.Signed, len(keys)) // a wrong one for a key that has not signed
	for i, k := range keys {
		sigs, err := k.SignRoots(ctx, testRoot)
		if errs[i] = err; len(sigs) == 1 {
			claims[i] = keyshare.Signed{PublicKey: k.PublicKey(), Root: testRoot, Signature: sigs[0]}
		}
	}
	if keyshare.VerifyBatchIndependent(claims) {
		return errs
	}
	for i, c := range claims {
		if errs[i] == nil && !c.PublicKey.VerifyIndependent(c.Root, c.Signature) {
			errs[i] = fmt.Errorf("%w: key %s made a wrong test signature", ErrCorrupt, keys[i].PublicKey())
		}
	}
	return errs
}

// Split is the Split of a Key whose secret is in this process: it shares the secret, seals each share to its operator
// and wipes the shares.
func Split(ctx context.Context, k *keyshare.SecretKey, threshold int, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error) {
	if err := errors.Join(CheckSplit(threshold, to), ctx.Err()); err != nil {
		return nil, nil, err
	}
	members := make([]keyshare.Index, len(to))
	for i, o := range to {
		members[i] = o.ID
	}
	group, shares, err := keyshare.Split(k, threshold, members)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		for _, s := range shares {
			s.Destroy()
		}
	}()
	sealed := make([]keyshare.Sealed, len(to))
	for i, s := range shares {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		if sealed[i], err = s.Seal(to[i]); err != nil {
			return nil, nil, err
		}
	}
	return group, sealed, nil
}
