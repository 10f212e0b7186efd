// Package historytest is the test suite of every store of signing histories: the vectors of EIP-3076, a naive model to
// compare with, and what the stores promise beyond it. Only tests import it.
package historytest

import (
	"context"
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// Store is what every store offers.
type Store interface {
	signer.Protector
	Import(ctx context.Context, file []byte) error
	Export(ctx context.Context, validators ...keyshare.PublicKey) ([]byte, error)
	Resume(ctx context.Context, validators ...keyshare.PublicKey) error
}

// Open makes a new, empty store.
type Open func(t TB, genesisValidatorsRoot keyshare.Root, complete bool) Store

// TB is what testing.TB and rapid.T have in common.
type TB interface {
	require.TestingT
	Helper()
	Cleanup(func())
}

// Run runs the whole suite, for both strategies. stopped is the error of a validator whose signing was stopped.
func Run(t *testing.T, open Open, stopped error) {
	for _, complete := range []bool{false, true} {
		name := "minimal"
		if complete {
			name = "complete"
		}
		t.Run(name, func(t *testing.T) {
			s := suite{open: open, complete: complete, stopped: stopped}
			t.Run("vectors", s.vectors)
			t.Run("interchange files", s.files)
			t.Run("model", s.model)
			t.Run("long histories", s.long)
			t.Run("folded", s.folded)
			t.Run("conflict", s.conflict)
			t.Run("batch", s.batch)
			t.Run("export stops signing", s.exportStops)
			t.Run("export and import", s.roundTrip)
			t.Run("refused claims", s.refused)
		})
	}
}

type suite struct {
	open     Open
	complete bool
	stopped  error
}

// Key returns the i-th of a few public keys.
func Key(t require.TestingT, i byte) keyshare.PublicKey {
	b := make([]byte, 32)
	b[30], b[31] = 1, i
	k, err := keyshare.ParseSecretKey(b)
	require.NoError(t, err)
	defer k.Destroy()
	return k.PublicKey()
}

// Root is a signing root that stands for a number.
func Root(n uint64) (r keyshare.Root) {
	binary.BigEndian.PutUint64(r[:], n)
	return r
}

// Block is a claim of a block.
func Block(k keyshare.PublicKey, slot uint64, root keyshare.Root) signer.Claim {
	return signer.Claim{Validator: k, Duty: signer.Block{Slot: slot}, Root: root}
}

// Attestation is a claim of an attestation.
func Attestation(k keyshare.PublicKey, source, target uint64, root keyshare.Root) signer.Claim {
	return signer.Claim{Validator: k, Duty: signer.Attestation{
		Source: signer.Checkpoint{Epoch: source}, Target: signer.Checkpoint{Epoch: target},
	}, Root: root}
}

// protect makes one claim.
func protect(s Store, c signer.Claim) error {
	results := s.Protect(context.Background(), c)
	if len(results) != 1 {
		panic("one error a claim expected")
	}
	return results[0]
}

// granted reports whether a claim was granted, and fails the test on an error that is neither that nor a refusal.
func granted(t TB, err error) bool {
	t.Helper()
	if err != nil {
		require.ErrorIs(t, err, signer.ErrSlashable)
	}
	return err == nil
}
