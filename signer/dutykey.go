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

// signAs signs one duty a root: a [DutyKey] is handed the duties, any other key the
// roots. Duties have been checked, and signatures are not yet: a result without an
// error may still be wrong.
func signAs(ctx context.Context, n *Network, k keyshare.Key, duties []Duty, roots []keyshare.Root) []Result {
	results := make([]Result, len(duties))
	var signatures []keyshare.Signature
	var errs []error
	var err error
	if judge, ok := k.(DutyKey); ok {
		signatures, errs, err = handOver(ctx, n, judge, duties)
	} else {
		signatures, err = k.SignRoots(ctx, roots...)
		errs = make([]error, len(duties))
	}
	if err == nil && (len(signatures) != len(duties) || len(errs) != len(duties)) {
		err = fmt.Errorf("the key returned %d signatures, %d expected", len(signatures), len(duties))
	}
	for i := range results {
		switch {
		case err != nil:
			results[i].Err = err
		case errs[i] != nil:
			results[i].Err = asSlashable(errs[i])
		default:
			results[i].Signature = signatures[i]
		}
	}
	return results
}

func handOver(ctx context.Context, n *Network, k DutyKey, duties []Duty) ([]keyshare.Signature, []error, error) {
	encoded := make([][]byte, len(duties))
	for i, d := range duties {
		var err error
		if encoded[i], err = EncodeDuty(d); err != nil {
			return nil, nil, err
		}
	}
	signatures, errs := k.SignDuties(ctx, n.Name(), encoded...)
	return signatures, errs, nil
}

// asSlashable makes a key's word for a contradiction this package's.
func asSlashable(err error) error {
	if s := interface{ Slashable() bool }(nil); errors.As(err, &s) && s.Slashable() && !errors.Is(err, ErrSlashable) {
		return fmt.Errorf("%w: %w", ErrSlashable, err)
	}
	return err
}
