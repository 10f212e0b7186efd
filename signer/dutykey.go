package signer

import (
	"context"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// DutyKey is a key that judges duties itself, behind a boundary: a secrets engine
// that computes the root and keeps its own slashing protection beside the secret.
// It may refuse to sign roots, so whoever holds a duty hands over the duty. Package
// hsm/vault has one.
type DutyKey interface {
	keyshare.Key

	// SignDuties signs duties, as EncodeDuty writes them, for the network of that
	// name. It returns a signature and an error for each duty, in order, of which
	// one is set. An error with a method Slashable that returns true says what
	// [ErrSlashable] says.
	SignDuties(ctx context.Context, network string, duties ...[]byte) ([]keyshare.Signature, []error)
}

// handOver has the key sign duties that it judges itself. Those that have no signing
// root on the network are not sent, and a signature that can not be taken back is
// verified before it is returned.
func handOver(ctx context.Context, n *Network, k DutyKey, duties ...Duty) []Result {
	results := make([]Result, len(duties))
	var roots []keyshare.Root
	var encoded [][]byte
	var at []int // where in results each encoded duty belongs
	for i, d := range duties {
		root, err := SigningRoot(n, d)
		var b []byte
		if err == nil {
			b, err = EncodeDuty(d)
		}
		if err != nil {
			results[i].Err = err
			continue
		}
		roots, encoded, at = append(roots, root), append(encoded, b), append(at, i)
	}
	if len(encoded) == 0 {
		return results
	}
	signatures, errs := k.SignDuties(ctx, n.Name(), encoded...)
	for i, where := range at {
		switch {
		case len(signatures) != len(at) || len(errs) != len(at):
			results[where].Err = fmt.Errorf("the key returned %d signatures and %d errors, %d of each expected", len(signatures), len(errs), len(at))
		case errs[i] != nil:
			results[where].Err = asSlashable(errs[i])
		case signatures[i].IsZero():
			results[where].Err = errors.New("the key returned neither a signature nor an error")
		case duties[where].traits().irrevocable && !k.PublicKey().VerifyIndependent(roots[i], signatures[i]):
			results[where].Err = fmt.Errorf("the key returned a signature that does not verify under its public key %v", k.PublicKey())
		default:
			results[where].Signature = signatures[i]
		}
	}
	return results
}

// asSlashable makes a key's word for a contradiction this package's.
func asSlashable(err error) error {
	if s := interface{ Slashable() bool }(nil); errors.As(err, &s) && s.Slashable() && !errors.Is(err, ErrSlashable) {
		return fmt.Errorf("%w: %w", ErrSlashable, err)
	}
	return err
}

// signIrrevocable signs a duty that has been checked and is of a type that needs no
// protection but can not be taken back: with the key's own judgement if it has one,
// else by its root. The signature is verified by the library that did not make it.
func signIrrevocable(ctx context.Context, n *Network, k keyshare.Key, d Duty, root keyshare.Root) (keyshare.Signature, error) {
	if judge, ok := k.(DutyKey); ok {
		result := handOver(ctx, n, judge, d)[0]
		return result.Signature, result.Err
	}
	signatures, err := k.SignRoots(ctx, root)
	if err != nil {
		return keyshare.Signature{}, err
	}
	if len(signatures) != 1 {
		return keyshare.Signature{}, fmt.Errorf("the key returned %d signatures, 1 expected", len(signatures))
	}
	if !k.PublicKey().VerifyIndependent(root, signatures[0]) {
		return keyshare.Signature{}, fmt.Errorf("the key returned a signature that does not verify under its public key %v", k.PublicKey())
	}
	return signatures[0], nil
}
