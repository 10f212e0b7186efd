package dvkeys_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/dkg/transport"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// ceremony runs four operators who make the keys of a spec.
func ceremony(t *testing.T, spec dvkeys.Spec, identities []*rsa.PrivateKey) *dkg.Outcome {
	p := &dkg.Params{Kind: dkg.Generate, Created: time.Now(), Expires: time.Now().Add(time.Hour), Keys: spec.Count, Threshold: 3}
	_, _ = rand.Read(p.Nonce[:])
	for _, o := range spec.Operators {
		p.Operators = append(p.Operators, dkg.Operator{Operator: o, Scheme: dkg.PSS})
	}
	roots, err := dvkeys.CeremonyRoots(spec)
	require.NoError(t, err)
	network := transport.NewMemory(1)
	results := make([]*dkg.Result, len(identities))
	var all sync.WaitGroup
	for i, k := range identities {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		end := network.Join()
		keep := func(_ context.Context, _ string, s *keyshare.Share) (key keyshare.Key, err error) {
			err = s.Use(func(b []byte) error { key, err = keyshare.ParseSecretKey(b); return err })
			return key, err
		}
		all.Go(func() {
			var err error
			results[i], err = dkg.Run(t.Context(), dkg.Config{Params: p, ID: p.Operators[i].ID, Identity: k, Roots: roots}, j, keep, end, nil)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	require.NotNil(t, results[0])
	return results[0].Outcome
}

func TestFromCeremony(t *testing.T) {
	network, err := signer.NetworkByName("hoodi")
	require.NoError(t, err)
	spec := dvkeys.Spec{Network: network, Count: 2, Withdrawal: keyshare.Address{1}, Owner: keyshare.Address{2}, Nonce: 7}
	var identities []*rsa.PrivateKey
	for i := range 4 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		require.NoError(t, err)
		identities = append(identities, k)
		spec.Operators = append(spec.Operators, keyshare.Operator{ID: keyshare.Index(11 * (i + 1)), PublicKey: &k.PublicKey})
	}
	outcome := ceremony(t, spec, identities)
	batch, err := dvkeys.FromCeremony(t.Context(), spec, outcome)
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = batch.WriteFiles(dir, nil)
	require.NoError(t, err)
	nonce := uint64(7)
	require.NoError(t, dvkeys.VerifyFiles(dir, &dvkeys.Expect{Network: network, Owner: spec.Owner, Nonce: &nonce, Count: 2, Operators: spec.Operators, Withdrawal: spec.Withdrawal}))

	for name, c := range map[string]struct {
		change func(s *dvkeys.Spec)
		want   string
	}{
		"another count": {func(s *dvkeys.Spec) { s.Count = 3 }, "another number of keys"},
		"another operator": {func(s *dvkeys.Spec) {
			s.Operators = append([]keyshare.Operator{{ID: 12, PublicKey: s.Operators[0].PublicKey}}, s.Operators[1:]...)
		}, "other operators"},
		"another owner":      {func(s *dvkeys.Spec) { s.Owner[0]++ }, "the root was not signed in the ceremony"},
		"another nonce":      {func(s *dvkeys.Spec) { s.Nonce++ }, "the root was not signed in the ceremony"},
		"another withdrawal": {func(s *dvkeys.Spec) { s.Withdrawal[0]++ }, "the root was not signed in the ceremony"},
		"no owner":           {func(s *dvkeys.Spec) { s.Owner = keyshare.Address{} }, "owner: is the zero address"},
	} {
		changed := spec
		c.change(&changed)
		_, err := dvkeys.FromCeremony(t.Context(), changed, outcome)
		require.ErrorContains(t, err, c.want, name)
	}
	_, err = dvkeys.FromCeremony(t.Context(), spec, nil)
	require.ErrorContains(t, err, "another number of keys")
	roots, err := dvkeys.CeremonyRoots(spec)
	require.NoError(t, err)
	_, err = roots(2, outcome.Groups()[0].PublicKey())
	require.ErrorContains(t, err, "validator 3 of 2")
	_, err = dvkeys.CeremonyRoots(dvkeys.Spec{})
	require.ErrorContains(t, err, "network: is missing")
}
