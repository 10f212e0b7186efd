package dvkeys_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

func spec(t testing.TB, count int) dvkeys.Spec {
	t.Helper()
	b, err := os.ReadFile("testdata/real-operators.json")
	require.NoError(t, err)
	operators, err := ssv.ReadOperators(b)
	require.NoError(t, err)
	return dvkeys.Spec{
		Network: dvkeys.Hoodi, Count: count, Operators: operators, Nonce: 12,
		Withdrawal: keyshare.Address{19: 1}, Owner: keyshare.Address{19: 2},
	}
}

func backend(t testing.TB) *software.Backend {
	t.Helper()
	dir := t.TempDir()
	pass := filepath.Join(dir, "pass")
	require.NoError(t, os.WriteFile(pass, []byte("correct horse battery staple"), 0o600))
	b, err := software.Open(filepath.Join(dir, "keys.db"), software.PassphraseFile(pass), nil)
	require.NoError(t, err)
	t.Cleanup(func() { b.Close() })
	return b
}

func count(t *testing.T, b hsm.Backend) (n int) {
	for _, err := range b.List(t.Context()) {
		require.NoError(t, err)
		n++
	}
	return n
}

func TestOnboard(t *testing.T) {
	b, s := backend(t), spec(t, 3)
	s.Operators[0], s.Operators[2] = s.Operators[2], s.Operators[0] // any order will do
	s.Funding = big.NewInt(1e18)

	var mu sync.Mutex
	calls := map[dvkeys.Stage]int{}
	batch, err := dvkeys.Onboard(t.Context(), b, s, &dvkeys.Options{Progress: func(p dvkeys.Progress) {
		mu.Lock()
		defer mu.Unlock()
		calls[p.Stage]++
		require.Equal(t, calls[p.Stage], p.Done)
		require.Equal(t, 3, p.Total)
	}})
	require.NoError(t, err)
	require.Equal(t, map[dvkeys.Stage]int{dvkeys.StageKey: 3, dvkeys.StageSplit: 3, dvkeys.StageDeposit: 3, dvkeys.StageDone: 3}, calls)
	require.Equal(t, 3, count(t, b))

	for i, v := range batch.Validators {
		require.Equal(t, uint64(12+i), v.Nonce)
		require.Equal(t, v.PublicKey, v.Group.PublicKey())
		require.Equal(t, v.PublicKey, v.Item.Payload.PublicKey)
		require.Equal(t, 3, v.Group.Threshold())
		require.NoError(t, v.Deposit.Verify(dvkeys.Hoodi, nil))
		_, err := b.Open(t.Context(), v.PublicKey)
		require.NoError(t, err, "the key is in custody")
	}

	txs, err := batch.Transactions()
	require.NoError(t, err)
	require.Len(t, txs.Transactions, 4)
	require.Equal(t, dvkeys.KindRegister, txs.Transactions[0].Kind, "registration comes first")
	require.Equal(t, "1000000000000000000", txs.Transactions[0].Value)
	require.Len(t, txs.Transactions[0].Validators, 3)
	for _, tx := range txs.Transactions[1:] {
		require.Equal(t, dvkeys.KindDeposit, tx.Kind)
		require.Equal(t, dvkeys.Hoodi.DepositContract(), tx.To)
		require.Equal(t, "32000000000000000000", tx.Value)
	}
}

// TestSameSpec holds that a spec always finds the same keys, and a change of
// anything that the files say never does.
func TestSameSpec(t *testing.T) {
	b, s := backend(t), spec(t, 2)
	onboard := func(s dvkeys.Spec) (keys []keyshare.PublicKey) {
		batch, err := dvkeys.Onboard(t.Context(), b, s, nil)
		require.NoError(t, err)
		for _, v := range batch.Validators {
			keys = append(keys, v.PublicKey)
		}
		return keys
	}
	first := onboard(s)
	require.Equal(t, first, onboard(s))

	more := s
	more.Count = 3
	require.Equal(t, first, onboard(more)[:2], "a longer batch begins with the same validators")
	later := s
	later.Nonce, later.Count = 13, 1
	require.Equal(t, first[1:], onboard(later), "the validator of a nonce is always the same")
	require.Equal(t, 3, count(t, b))

	for name, change := range map[string]func(*dvkeys.Spec){
		"network":     func(s *dvkeys.Spec) { s.Network = dvkeys.Sepolia },
		"withdrawal":  func(s *dvkeys.Spec) { s.Withdrawal[0]++ },
		"owner":       func(s *dvkeys.Spec) { s.Owner[0]++ },
		"compounding": func(s *dvkeys.Spec) { s.Compounding = true },
		"amount":      func(s *dvkeys.Spec) { s.Amount = 1e9 },
		"nonce":       func(s *dvkeys.Spec) { s.Nonce = 100 },
	} {
		changed := s
		change(&changed)
		for _, k := range onboard(changed) {
			require.NotContains(t, first, k, name)
		}
	}
}

func TestBulkLimit(t *testing.T) {
	b, s := backend(t), spec(t, 1)
	one, err := dvkeys.Onboard(t.Context(), b, s, nil)
	require.NoError(t, err)
	batch := &dvkeys.Batch{Spec: one.Spec}
	for i := range 81 {
		v := one.Validators[0]
		item := *v.Item
		item.Payload.PublicKey = newKey(t)
		v.Item, v.Nonce = &item, uint64(12+i)
		batch.Validators = append(batch.Validators, v)
	}
	txs, err := batch.Transactions()
	require.NoError(t, err)
	require.Len(t, txs.Transactions, 2+81)
	require.Len(t, txs.Transactions[0].Validators, 80)
	require.Len(t, txs.Transactions[1].Validators, 1)
	require.Equal(t, "0x", txs.Transactions[1].Data)
	require.Contains(t, txs.Transactions[1].Note, "when the registration before it is mined")
}

func newKey(t *testing.T) keyshare.PublicKey {
	k, err := keyshare.Generate()
	require.NoError(t, err)
	defer k.Destroy()
	return k.PublicKey()
}

// TestSpecFaults holds that every fault is found before a key is made.
func TestSpecFaults(t *testing.T) {
	b := backend(t)
	for want, change := range map[string]func(*dvkeys.Spec){
		"network: is missing":           func(s *dvkeys.Spec) { s.Network = nil },
		"count: 0 validators":           func(s *dvkeys.Spec) { s.Count = 0 },
		"count: -1 validators":          func(s *dvkeys.Spec) { s.Count = -1 },
		"operators":                     func(s *dvkeys.Spec) { s.Operators = s.Operators[:3] },
		"operators: ":                   func(s *dvkeys.Spec) { s.Operators[1] = s.Operators[0] },
		"withdrawal_credentials":        func(s *dvkeys.Spec) { s.Withdrawal = keyshare.Address{} },
		"owner: is the zero address":    func(s *dvkeys.Spec) { s.Owner = keyshare.Address{} },
		"nonce: 65535 for the first of": func(s *dvkeys.Spec) { s.Nonce = 65535 },
		"nonce: 18446744073709551615":   func(s *dvkeys.Spec) { s.Nonce = 1<<64 - 1 },
		"amount: is 33 ETH":             func(s *dvkeys.Spec) { s.Amount = 33e9 },
		"amount: is 0.5 ETH":            func(s *dvkeys.Spec) { s.Amount = 5e8 },
		"eigenpod: no EigenPodManager":  func(s *dvkeys.Spec) { s.Network, s.EigenPod = dvkeys.Sepolia, true },
		"funding: -1 wei":               func(s *dvkeys.Spec) { s.Funding = big.NewInt(-1) },
		"funding: 1157":                 func(s *dvkeys.Spec) { s.Funding = new(big.Int).Lsh(big.NewInt(1), 256) },
		"cluster: ssv: cluster balance": func(s *dvkeys.Spec) { s.Cluster = &ssv.Cluster{Active: true, Balance: big.NewInt(-1)} },
		"cluster: is liquidated":        func(s *dvkeys.Spec) { s.Cluster = &ssv.Cluster{} },
		"amount: is 31 ETH, exactly":    func(s *dvkeys.Spec) { s.Amount, s.EigenPod = 31e9, true },
	} {
		s := spec(t, 2)
		change(&s)
		_, err := dvkeys.Onboard(t.Context(), b, s, nil)
		require.ErrorContains(t, err, want)
		require.EqualError(t, s.Check(), err.Error())
	}
	_, err := dvkeys.Onboard(t.Context(), b, spec(t, 1), &dvkeys.Options{Workers: -1})
	require.ErrorContains(t, err, "-1 workers")
	require.Zero(t, count(t, b), "no key was made")
}

// TestKeySource supplies keys from outside, as a mnemonic does.
func TestKeySource(t *testing.T) {
	b, s := backend(t), spec(t, 2)
	key, err := keyshare.Generate()
	require.NoError(t, err)
	source := func(ctx context.Context, i int, label string) (hsm.Key, error) { return b.Import(ctx, label, key) }

	_, err = dvkeys.Onboard(t.Context(), b, s, &dvkeys.Options{Key: source})
	require.ErrorIs(t, err, hsm.ErrExists, "one key does not serve two validators")

	s.Count = 1
	b = backend(t)
	batch, err := dvkeys.Onboard(t.Context(), b, s, &dvkeys.Options{Key: source})
	require.NoError(t, err)
	require.Equal(t, key.PublicKey(), batch.Validators[0].PublicKey)
}

// brokenKey is a backend's key that lies in one way.
type brokenKey struct {
	hsm.Key
	sign  func([]keyshare.Signature) []keyshare.Signature
	split func(*keyshare.Group, []keyshare.Sealed)
	group *keyshare.Group
}

func (k brokenKey) SignRoots(ctx context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error) {
	sigs, err := k.Key.SignRoots(ctx, roots...)
	if k.sign != nil && err == nil {
		sigs = k.sign(sigs)
	}
	return sigs, err
}

func (k brokenKey) Split(ctx context.Context, threshold int, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error) {
	g, sealed, err := k.Key.Split(ctx, threshold, to)
	if k.split != nil && err == nil {
		k.split(g, sealed)
	}
	if k.group != nil {
		g = k.group
	}
	return g, sealed, err
}

// TestLyingBackend holds that nothing wrong leaves, whatever a backend returns.
func TestLyingBackend(t *testing.T) {
	b, s := backend(t), spec(t, 1)
	other, err := dvkeys.Onboard(t.Context(), b, s, nil)
	require.NoError(t, err)
	s.Nonce = 500
	for name, lie := range map[string]brokenKey{
		"wrong signature": {sign: func(s []keyshare.Signature) []keyshare.Signature {
			return []keyshare.Signature{other.Validators[0].Deposit.Signature}
		}},
		"no signature":        {sign: func([]keyshare.Signature) []keyshare.Signature { return nil }},
		"zero signature":      {sign: func([]keyshare.Signature) []keyshare.Signature { return make([]keyshare.Signature, 1) }},
		"group of another":    {group: other.Validators[0].Group},
		"shares exchanged":    {split: func(_ *keyshare.Group, s []keyshare.Sealed) { s[0], s[1] = s[1], s[0] }},
		"share key of other":  {split: func(_ *keyshare.Group, s []keyshare.Sealed) { s[0].PublicKey = s[1].PublicKey }},
		"ciphertext too long": {split: func(_ *keyshare.Group, s []keyshare.Sealed) { s[0].Ciphertext = append(s[0].Ciphertext, 0) }},
	} {
		_, err := dvkeys.Onboard(t.Context(), b, s, &dvkeys.Options{Key: func(ctx context.Context, _ int, label string) (hsm.Key, error) {
			lie.Key, err = b.Generate(ctx, label)
			return lie, err
		}})
		require.Error(t, err, name)
	}
}

func TestOnboardStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b := backend(t)
	_, err := dvkeys.Onboard(ctx, b, spec(t, 50), &dvkeys.Options{Progress: func(p dvkeys.Progress) {
		if p.Stage == dvkeys.StageDone {
			cancel()
		}
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Less(t, count(t, b), 50)

	failed := errors.New("token removed")
	_, err = dvkeys.Onboard(t.Context(), b, spec(t, 50), &dvkeys.Options{Key: func(_ context.Context, i int, _ string) (hsm.Key, error) {
		return nil, failed
	}})
	require.ErrorIs(t, err, failed)
}

func TestOnboardNothing(t *testing.T) {
	_, err := dvkeys.Onboard(t.Context(), nil, spec(t, 1), nil)
	require.ErrorContains(t, err, "the backend is missing")
	_, err = dvkeys.Onboard(t.Context(), nil, spec(t, 1), &dvkeys.Options{Key: func(context.Context, int, string) (hsm.Key, error) { return nil, nil }})
	require.ErrorContains(t, err, "no key was supplied")
}

// TestWriteFilesVerifies holds that nothing wrong is written.
func TestWriteFilesVerifies(t *testing.T) {
	batch, err := dvkeys.Onboard(t.Context(), backend(t), spec(t, 2), nil)
	require.NoError(t, err)
	good := batch.Validators[0]
	for want, spoil := range map[string]func(v *dvkeys.Validator){
		"validators[0]: is not complete": func(v *dvkeys.Validator) { v.Item = nil },
		"signature: does not verify": func(v *dvkeys.Validator) {
			d := *v.Deposit
			d.Signature = batch.Validators[1].Deposit.Signature
			v.Deposit = &d
		},
		"sharesData": func(v *dvkeys.Validator) {
			it := *v.Item
			it.Payload.SharesData = it.Payload.SharesData[1:]
			v.Item = &it
		},
	} {
		batch.Validators[0] = good
		spoil(&batch.Validators[0])
		dir := filepath.Join(t.TempDir(), "out")
		_, err := batch.WriteFiles(dir, nil)
		require.ErrorContains(t, err, want)
		require.NoDirExists(t, dir)
	}
}

// TestBatchOfTheCaller: a batch that Onboard did not make is an error, not a panic.
func TestBatchOfTheCaller(t *testing.T) {
	for want, b := range map[string]*dvkeys.Batch{
		"spec: network: is missing":      {},
		"validators[0]: is not complete": {Spec: spec(t, 1), Validators: make([]dvkeys.Validator, 1)},
	} {
		_, err := b.Transactions()
		require.ErrorContains(t, err, want)
		_, err = b.WriteFiles(t.TempDir(), nil)
		require.ErrorContains(t, err, want)
	}
	_, err := (&dvkeys.Batch{Spec: spec(t, 1)}).WriteFiles(t.TempDir(), nil)
	require.ErrorContains(t, err, "shares: are none")
}

func TestStage(t *testing.T) {
	require.Equal(t, "key in custody", dvkeys.StageKey.String())
	require.Equal(t, "stage 0", dvkeys.Stage(0).String())
	require.Equal(t, "stage 9", fmt.Sprint(dvkeys.Stage(9)))
	require.Equal(t, signer.Hoodi, dvkeys.Hoodi)
}
