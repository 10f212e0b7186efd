package vault_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/hsm/vault"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

// onboarding is what TestDuties and the benchmarks onboard.
func onboarding(t testing.TB, count int) dvkeys.Spec {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "real-operators.json"))
	require.NoError(t, err)
	to, err := ssv.ReadOperators(b)
	require.NoError(t, err)
	return dvkeys.Spec{
		Network: dvkeys.Hoodi, Count: count, Operators: to, Nonce: 12,
		Withdrawal: keyshare.Address{19: 1}, Owner: keyshare.Address{19: 2},
	}
}

func openSoftware(t testing.TB) hsm.Backend {
	t.Helper()
	b, err := software.Open(filepath.Join(t.TempDir(), "keys.db"), func() ([]byte, error) { return []byte("passphrase"), nil }, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, b.Close()) })
	return b
}

// newHistory is an empty history of Hoodi.
func newHistory(t *testing.T) *slashing.Store {
	t.Helper()
	path, chain := filepath.Join(t.TempDir(), "history.db"), signer.Hoodi.GenesisValidatorsRoot()
	require.NoError(t, slashing.Create(path, chain, slashing.Minimal))
	history, err := slashing.Open(t.Context(), path, chain, nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, history.Close()) })
	return history
}

// TestSharesInVault has operators whose shares are in the engine sign a deposit and an attestation together.
func TestSharesInVault(t *testing.T) {
	s, c := withEngine(t, nil)
	require.NoError(t, s.Call("PUT", "dvkeys/config", map[string]any{"raw_signing": false}, nil))
	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer b.Close()
	group, shares, err := keyshare.Split(newKey(t), 3, []keyshare.Index{1, 2, 3, 4})
	require.NoError(t, err)
	members := map[keyshare.Index]signer.Signer{}
	for _, share := range shares {
		k, err := b.Import(t.Context(), "", share)
		require.NoError(t, err)
		members[share.Index()], err = signer.NewGuard(signer.Hoodi, group.PublicKey(), k, newHistory(t), &signer.GuardOptions{AllowDeposits: true})
		require.NoError(t, err)
	}
	quorum, err := signer.NewQuorum(signer.Hoodi, group, members)
	require.NoError(t, err)
	duties := []signer.Duty{
		signer.Deposit{PublicKey: group.PublicKey(), WithdrawalCredentials: signer.ExecutionCredentials(keyshare.Address{1}), Amount: 32e9},
		signer.Attestation{Slot: 32, Target: signer.Checkpoint{Epoch: 1}},
	}
	results, err := quorum.Sign(t.Context(), duties...)
	require.NoError(t, err)
	for i, r := range results {
		require.NoError(t, r.Err)
		root, err := signer.SigningRoot(signer.Hoodi, duties[i])
		require.NoError(t, err)
		require.True(t, group.PublicKey().Verify(root, r.Signature))
	}
}

// TestDuties onboards validators and signs their duties with an engine that signs no raw roots.
func TestDuties(t *testing.T) {
	s, c := withEngine(t, nil)
	require.NoError(t, s.Call("PUT", "dvkeys/config", map[string]any{"raw_signing": false}, nil))
	b, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer b.Close()

	batch, err := dvkeys.Onboard(t.Context(), b, onboarding(t, 2), nil)
	require.NoError(t, err)
	require.Len(t, batch.Validators, 2)
	again, err := dvkeys.Onboard(t.Context(), b, onboarding(t, 2), nil)
	require.NoError(t, err)
	require.Equal(t, batch.Validators[0].PublicKey, again.Validators[0].PublicKey)

	k, err := b.Open(t.Context(), batch.Validators[0].PublicKey)
	require.NoError(t, err)
	_, isDutyKey := k.(signer.DutyKey)
	require.True(t, isDutyKey)
	_, err = k.SignRoots(t.Context(), keyshare.Root{1})
	require.ErrorIs(t, err, hsm.ErrDenied)
	_, err = signer.SignExit(t.Context(), signer.Hoodi, k, signer.VoluntaryExit{Epoch: 1, ValidatorIndex: 2})
	require.NoError(t, err)

	// The engine's own protection: each guard starts with an empty history, as after a loss of the file.
	guard := func() *signer.Guard {
		g, err := signer.NewGuard(signer.Hoodi, k.PublicKey(), k, newHistory(t), nil)
		require.NoError(t, err)
		return g
	}
	attest := func(epoch uint64, block byte) signer.Attestation {
		return signer.Attestation{Slot: 32 * epoch, BeaconBlockRoot: keyshare.Root{block}, Source: signer.Checkpoint{Epoch: epoch - 1}, Target: signer.Checkpoint{Epoch: epoch}}
	}
	first := attest(100_000, 1)
	results, err := guard().Sign(t.Context(), first, signer.Randao{Epoch: 3}, signer.Block{Slot: 5})
	require.NoError(t, err)
	for _, r := range results {
		require.NoError(t, r.Err)
	}
	results, err = guard().Sign(t.Context(), attest(100_000, 2), signer.Randao{Epoch: 4}, attest(100_001, 1))
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, signer.ErrSlashable)
	require.NoError(t, results[1].Err, "one refused duty does not sink the others")
	require.NoError(t, results[2].Err)
	last := attest(100_001, 1)
	results, err = guard().Sign(t.Context(), last)
	require.NoError(t, err)
	require.NoError(t, results[0].Err, "the same attestation is signed again, so that a request whose answer was lost can be repeated")

	// Two validators' duties in one request, of which one is refused.
	c.Coalesce = 20 * time.Millisecond
	coalescing, err := vault.Open(t.Context(), c)
	require.NoError(t, err)
	defer coalescing.Close()
	var done sync.WaitGroup
	for i, v := range batch.Validators {
		joined, err := coalescing.Open(t.Context(), v.PublicKey)
		require.NoError(t, err)
		d := attest(100_001, 9) // another vote than the first validator's
		encoded, err := signer.EncodeDuty(d)
		require.NoError(t, err)
		done.Go(func() {
			sigs, errs := joined.(signer.DutyKey).SignDuties(t.Context(), "hoodi", encoded)
			slashable := interface{ Slashable() bool }(nil)
			if i == 0 && !(errors.As(errs[0], &slashable) && slashable.Slashable()) {
				t.Errorf("a double vote: %v", errs[0])
			}
			root, err := signer.SigningRoot(signer.Hoodi, d)
			if i == 1 && (errs[0] != nil || err != nil || !v.PublicKey.Verify(root, sigs[0])) {
				t.Errorf("the other validator: %v", errs[0])
			}
		})
	}
	done.Wait()

	// Another network than the configuration has.
	_, err = signer.SignExit(t.Context(), signer.Mainnet, k, signer.VoluntaryExit{Epoch: 1, ValidatorIndex: 2})
	require.ErrorIs(t, err, hsm.ErrDenied)
	sigs, errs := k.(signer.DutyKey).SignDuties(context.Background(), "hoodi", []byte(`{"type":"../config"}`), []byte(`{}`), []byte(plainDuty))
	require.ErrorContains(t, errs[0], "no type")
	require.ErrorContains(t, errs[1], "no type")
	require.NoError(t, errs[2])
	require.False(t, sigs[2].IsZero())
}
