package dvkeys_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/dkg/transport"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

// A validator whose key a dealer has split goes from operators 1, 2 and 3 to 2, 3 and 4, with
// what it has signed: the old operators export their histories, which stops them, agree to
// an activation that names these, and the new ones import them before they sign.
func TestHandOver(t *testing.T) {
	ctx := t.Context()
	const now = 450_000 // the present epoch
	whole, err := keyshare.Generate()
	require.NoError(t, err)
	group, old, err := keyshare.Split(whole, 3, []keyshare.Index{1, 2, 3})
	require.NoError(t, err)
	whole.Destroy()
	validator := group.PublicKey()
	first := &dkg.Lineage{Group: group}

	history := func(name string) *slashing.Store {
		path := filepath.Join(t.TempDir(), name)
		require.NoError(t, slashing.Create(path, signer.Hoodi.GenesisValidatorsRoot(), slashing.Complete))
		s, err := slashing.Open(ctx, path, signer.Hoodi.GenesisValidatorsRoot(), nil)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	vote := func(source, target uint64, block byte) signer.Attestation {
		return signer.Attestation{Slot: 32 * target, BeaconBlockRoot: keyshare.Root{block}, Source: signer.Checkpoint{Epoch: source}, Target: signer.Checkpoint{Epoch: target}}
	}
	sign := func(k keyshare.Key, s *slashing.Store, d signer.Duty) error {
		guard, err := signer.NewGuard(signer.Hoodi, validator, k, s, nil)
		require.NoError(t, err)
		results, err := guard.Sign(ctx, d)
		require.NoError(t, err)
		return results[0].Err
	}
	histories := make([]*slashing.Store, 4)
	for i := range histories {
		histories[i] = history(fmt.Sprint(i + 1))
	}
	for i := range old { // the third has signed something that the others have not
		require.NoError(t, sign(old[i], histories[i], vote(now-1, now, 1)))
	}
	require.NoError(t, sign(old[2], histories[2], vote(now, now+1, 1)))

	// The ceremony.
	p := &dkg.Params{Kind: dkg.Reshare, Created: time.Now(), Expires: time.Now().Add(time.Hour), Keys: 1, Threshold: 3, Parents: [][32]byte{first.Hash()}}
	_, _ = rand.Read(p.Nonce[:])
	var identities []*rsa.PrivateKey
	var all []dkg.Operator
	for i := range 4 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		identities = append(identities, k)
		all = append(all, dkg.Operator{Operator: keyshare.Operator{ID: keyshare.Index(i + 1), PublicKey: &k.PublicKey}, Scheme: dkg.PSS})
	}
	p.Dealers, p.Operators = all[:3], all[1:]
	results := make([]*dkg.Result, 4)
	network := transport.NewMemory(1)
	var running sync.WaitGroup
	for i, k := range identities {
		c := dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k, Decrypter: k, Lineages: []*dkg.Lineage{first}}
		if i < 3 {
			c.Old = []keyshare.Secret{old[i]}
		}
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		keep := func(_ context.Context, _ string, s *keyshare.Share) (key keyshare.Key, err error) {
			err = s.Use(func(b []byte) error { key, err = keyshare.ParseSecretKey(b); return err })
			return key, err
		}
		end := network.Join()
		running.Go(func() {
			var err error
			results[i], err = dkg.Run(ctx, c, j, keep, end, nil)
			assert.NoError(t, err)
		})
	}
	running.Wait()
	require.NotNil(t, results[3])
	next := results[3].Lineages[0]

	members := make([]*dkg.Generations, 4)
	for i := range members {
		members[i] = dkg.NewGenerations(first)
		require.NoError(t, members[i].Prepare(next))
		current, err := members[i].At(now + 1)
		require.NoError(t, err)
		require.Equal(t, first.Hash(), current.Hash(), "all is prepared, and the old shares sign")
	}

	// The old operators stop, and their histories become one.
	union := history("union")
	for i := range old {
		file, err := histories[i].Export(ctx, validator)
		require.NoError(t, err)
		require.NoError(t, union.Import(ctx, file))
		require.ErrorIs(t, sign(old[i], histories[i], vote(now+1, now+2, 1)), slashing.ErrStopped)
	}
	merged, err := union.Export(ctx, validator)
	require.NoError(t, err)
	proposed, err := members[0].Propose(now+2, now+4, merged)
	require.NoError(t, err)
	b, err := json.Marshal(proposed)
	require.NoError(t, err)
	var a dkg.Activation // as it reaches the others
	require.NoError(t, json.Unmarshal(b, &a))
	partials := map[keyshare.Index]keyshare.Signature{}
	for i := range old {
		require.NoError(t, members[i].Agree(&a))
		partials[old[i].Index()], err = members[i].Sign(ctx, old[i])
		require.NoError(t, err)
	}
	signature, err := group.Combine(a.Root(), partials)
	require.NoError(t, err)

	// The new operators import it, and begin two epochs after the old ones' last.
	for i := 1; i < 4; i++ {
		require.NoError(t, histories[i].Import(ctx, merged))
		require.NoError(t, members[i].Activate(&a, signature, merged, now+2))
		for epoch := uint64(now + 2); epoch < now+4; epoch++ {
			_, err = members[i].At(epoch)
			require.ErrorIs(t, err, dkg.ErrGeneration)
		}
		l, err := members[i].At(now + 4)
		require.NoError(t, err)
		require.Equal(t, next.Hash(), l.Hash())
		if i < 3 {
			require.NoError(t, histories[i].Resume(ctx, validator)) // it was stopped when it was exported
		}
		key := results[i].Keys[0]
		require.ErrorIs(t, sign(key, histories[i], vote(now, now+1, 2)), signer.ErrSlashable, "what only the third had signed")
		require.ErrorIs(t, sign(key, histories[i], vote(now-1, now+4, 2)), signer.ErrSlashable, "a vote around it")
		require.NoError(t, sign(key, histories[i], vote(now+1, now+4, 2)))
	}
}
