package historytest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// batch makes many claims in one call: each is checked against those before it.
func (s suite) batch(t *testing.T) {
	store := s.open(t, keyshare.Root{9}, s.complete)
	require.Equal(t, keyshare.Root{9}, store.GenesisValidatorsRoot())
	a, b := Key(t, 1), Key(t, 2)
	results := store.Protect(context.Background(),
		Attestation(a, 1, 2, Root(1)),
		Attestation(a, 1, 2, Root(2)), // a double vote
		Attestation(b, 1, 2, Root(2)),
		Attestation(a, 0, 3, Root(3)), // surrounds
		Attestation(a, 2, 3, Root(3)),
		Block(a, 7, Root(1)),
		Block(a, 7, Root(2)),
	)
	for i, want := range []bool{true, false, true, false, true, true, false} {
		require.Equal(t, want, granted(t, results[i]), "claim %d", i)
	}
	require.Empty(t, store.Protect(context.Background()))
	repeated := granted(t, protect(store, Attestation(a, 2, 3, Root(3))))
	require.Equal(t, s.complete, repeated, "only the complete strategy signs the same again")
}

func (s suite) exportStops(t *testing.T) {
	ctx := context.Background()
	store := s.open(t, keyshare.Root{}, s.complete)
	a, b, unknown := Key(t, 1), Key(t, 2), Key(t, 3)
	for _, k := range []keyshare.PublicKey{a, b} {
		require.NoError(t, protect(store, Block(k, 5, Root(1))))
	}
	_, err := store.Export(ctx, a, unknown)
	require.NoError(t, err)
	require.ErrorIs(t, protect(store, Block(a, 6, Root(1))), s.stopped)
	require.ErrorIs(t, protect(store, Attestation(unknown, 1, 2, Root(1))), s.stopped)
	require.NoError(t, protect(store, Block(b, 6, Root(1))))
	require.NoError(t, store.Resume(ctx, a))
	require.NoError(t, protect(store, Block(a, 6, Root(1))))
	require.ErrorIs(t, protect(store, Attestation(unknown, 1, 2, Root(1))), s.stopped)

	_, err = store.Export(ctx)
	require.NoError(t, err)
	require.ErrorIs(t, protect(store, Block(b, 7, Root(1))), s.stopped)
	require.ErrorIs(t, protect(store, Block(Key(t, 4), 7, Root(1))), s.stopped)
	require.NoError(t, store.Resume(ctx, b))
	require.ErrorIs(t, protect(store, Block(b, 7, Root(1))), s.stopped, "all are stopped until all resume")
	require.NoError(t, store.Resume(ctx))
	require.NoError(t, protect(store, Block(b, 7, Root(1))))
	require.ErrorIs(t, protect(store, Block(unknown, 7, Root(1))), s.stopped, "it was stopped by name")

	require.Error(t, store.Resume(ctx, keyshare.PublicKey{}))
	_, err = store.Export(ctx, keyshare.PublicKey{})
	require.Error(t, err)
}

// roundTrip moves a history to a new store, of either strategy, which then refuses all that the old one refuses.
func (s suite) roundTrip(t *testing.T) {
	ctx := context.Background()
	store := s.open(t, keyshare.Root{}, s.complete)
	a := Key(t, 1)
	for target := uint64(3); target < 40; target += 2 {
		require.NoError(t, protect(store, Attestation(a, target-2, target, Root(target))))
		require.NoError(t, protect(store, Block(a, target, Root(target))))
	}
	file, err := store.Export(ctx)
	require.NoError(t, err)
	again, err := store.Export(ctx)
	require.NoError(t, err)
	require.Equal(t, string(file), string(again))

	for _, complete := range []bool{false, true} {
		other := s.open(t, keyshare.Root{}, complete)
		require.NoError(t, other.Import(ctx, file))
		require.NoError(t, other.Import(ctx, file), "importing again changes nothing")
		for n := uint64(0); n < 40; n++ {
			require.ErrorIs(t, protect(other, Block(a, n|1, Root(1000))), signer.ErrSlashable)
			require.ErrorIs(t, protect(other, Attestation(a, n, n|1, Root(1000))), signer.ErrSlashable)
		}
		same := granted(t, protect(other, Block(a, 39, Root(39))))
		require.Equal(t, s.complete && complete, same)
		require.NoError(t, protect(other, Block(a, 41, Root(41))))
		require.NoError(t, protect(other, Attestation(a, 39, 41, Root(41))))
	}
	require.NoError(t, store.Resume(ctx))
	foreign := s.open(t, keyshare.Root{1}, s.complete)
	require.ErrorContains(t, foreign.Import(ctx, file), "genesis validators root")
	require.NoError(t, protect(foreign, Block(a, 3, Root(1))), "nothing was taken")
}

// conflict imports two different signatures for one slot and one target: neither may be made again.
func (s suite) conflict(t *testing.T) {
	a := Key(t, 1)
	for _, second := range []string{Root(2).String(), ""} {
		store := s.open(t, keyshare.Root{}, s.complete)
		for _, root := range []string{Root(1).String(), second} {
			if root != "" {
				root = `,"signing_root":"` + root + `"`
			}
			file := `{"metadata":{"interchange_format_version":"5","genesis_validators_root":"` + keyshare.Root{}.String() + `"},"data":[{"pubkey":"` + a.String() +
				`","signed_blocks":[{"slot":"5"` + root + `}],"signed_attestations":[{"source_epoch":"1","target_epoch":"2"` + root + `}]}]}`
			require.NoError(t, store.Import(context.Background(), []byte(file)))
		}
		for n := range uint64(3) {
			require.ErrorIs(t, protect(store, Block(a, 5, Root(n))), signer.ErrSlashable)
			require.ErrorIs(t, protect(store, Attestation(a, 1, 2, Root(n))), signer.ErrSlashable)
		}
	}
}

// refused makes claims that are none.
func (s suite) refused(t *testing.T) {
	store := s.open(t, keyshare.Root{}, s.complete)
	a := Key(t, 1)
	for want, c := range map[string]signer.Claim{
		"names no validator": {Duty: signer.Block{}},
		"block expected":     {Validator: a, Duty: signer.Randao{}},
		"a claim of <nil>":   {Validator: a},
		"the slot or epoch 9223372036854775808, less than 2^63": Block(a, 1<<63, Root(1)),
		"the slot or epoch 9223372036854775809, less than 2^63": Attestation(a, 1, 1<<63+1, Root(1)),
	} {
		err := protect(store, c)
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, signer.ErrSlashable)
	}
	require.ErrorIs(t, protect(store, Attestation(a, 3, 2, Root(1))), signer.ErrSlashable)
	require.NoError(t, protect(store, Block(a, 1<<63-1, Root(1))))

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	results := store.Protect(ctx, Block(Key(t, 2), 1, Root(1)), Block(Key(t, 3), 1, Root(1)))
	require.Len(t, results, 2)
	require.ErrorIs(t, results[0], context.Canceled)
	require.ErrorIs(t, results[1], context.Canceled)
}

// folded looks for an attestation that surrounds one of which only the marks are left, in a history that was confused
// by an import.
func (s suite) folded(t *testing.T) {
	store := s.open(t, keyshare.Root{}, s.complete)
	a := Key(t, 1)
	require.NoError(t, protect(store, Attestation(a, 50, 100, Root(1))))
	require.NoError(t, protect(store, Attestation(a, 60, 700, Root(1))), "which folds the first")
	file := `{"metadata":{"interchange_format_version":"5","genesis_validators_root":"` + keyshare.Root{}.String() + `"},"data":[{"pubkey":"` +
		a.String() + `","signed_blocks":[],"signed_attestations":[{"source_epoch":"10","target_epoch":"650"}]}]}`
	require.NoError(t, store.Import(context.Background(), []byte(file)))
	require.ErrorIs(t, protect(store, Attestation(a, 20, 660, Root(1))), signer.ErrSlashable, "it surrounds 50 to 100")
	require.Equal(t, s.complete, granted(t, protect(store, Attestation(a, 55, 660, Root(1)))))
}
