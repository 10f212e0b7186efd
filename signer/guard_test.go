package signer_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

func history(t testing.TB, n *signer.Network) *slashing.Store {
	t.Helper()
	path := filepath.Join(t.TempDir(), "history.db")
	require.NoError(t, slashing.Create(path, n.GenesisValidatorsRoot(), slashing.Complete))
	s, err := slashing.Open(context.Background(), path, n.GenesisValidatorsRoot(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func guard(t testing.TB, k keyshare.Key, validator keyshare.PublicKey, o *signer.GuardOptions) *signer.Guard {
	t.Helper()
	g, err := signer.NewGuard(signer.Mainnet, validator, k, history(t, signer.Mainnet), o)
	require.NoError(t, err)
	return g
}

// every returns one duty of each kind, for mainnet in Electra, of a validator.
func every(k keyshare.PublicKey) []signer.Duty {
	a := electra()
	return []signer.Duty{
		a, signer.Block{Slot: a.Slot}, signer.Randao{Epoch: a.Target.Epoch}, signer.SelectionProof{Slot: a.Slot},
		signer.AggregateAndProof{Aggregate: signer.Aggregate{Bits: []byte{3}, Data: a, CommitteeBits: [8]byte{1}}},
		signer.SyncCommitteeMessage{Slot: a.Slot}, signer.SyncSelectionProof{Slot: a.Slot}, signer.SyncContribution{Slot: a.Slot},
		signer.ValidatorRegistration{FeeRecipient: pod, GasLimit: 60_000_000, Timestamp: 1, PublicKey: k},
		signer.VoluntaryExit{ValidatorIndex: 1},
		signer.Deposit{PublicKey: k, WithdrawalCredentials: signer.ExecutionCredentials(pod), Amount: 32 * signer.Ether},
		signer.BLSToExecutionChange{From: k, To: pod},
		signer.OwnerNonce{Owner: pod, Nonce: 1},
	}
}

func everythingAllowed() *signer.GuardOptions {
	return &signer.GuardOptions{
		FeeRecipients: []keyshare.Address{pod}, GasLimits: []uint64{60_000_000},
		AllowExits: true, AllowDeposits: true, AllowCredentialChanges: true, AllowOwnerNonces: true,
	}
}

func sign(t testing.TB, s signer.Signer, duties ...signer.Duty) []signer.Result {
	t.Helper()
	results, err := s.Sign(context.Background(), duties...)
	require.NoError(t, err)
	require.Len(t, results, len(duties))
	return results
}

func TestGuardSignsEveryDuty(t *testing.T) {
	k := testKey(t, 1)
	o := everythingAllowed()
	o.VerifyAfterSign = true
	g := guard(t, k, k.PublicKey(), o)
	require.Equal(t, k.PublicKey(), g.PublicKey())
	duties := every(k.PublicKey())
	for i, r := range sign(t, g, duties...) {
		require.NoError(t, r.Err, "%T", duties[i])
		root, err := signer.SigningRoot(signer.Mainnet, duties[i])
		require.NoError(t, err)
		require.True(t, k.PublicKey().Verify(root, r.Signature))
	}
	// The same again gives the same signatures, and what contradicts it none.
	again := sign(t, g, duties...)
	require.NoError(t, again[0].Err)
	other := electra()
	other.BeaconBlockRoot = keyshare.Root{77}
	for _, r := range sign(t, g, other, signer.Block{Slot: other.Slot, BodyRoot: keyshare.Root{1}}) {
		require.ErrorIs(t, r.Err, signer.ErrSlashable)
		require.Zero(t, r.Signature)
	}
}

// Without options everything that can not be taken back is denied, and nothing else.
func TestGuardDenies(t *testing.T) {
	k := testKey(t, 1)
	g := guard(t, k, k.PublicKey(), nil)
	duties := every(k.PublicKey())
	for i, r := range sign(t, g, duties...) {
		if i < 8 {
			require.NoError(t, r.Err, "%T", duties[i])
			continue
		}
		require.ErrorIs(t, r.Err, signer.ErrDenied, "%T", duties[i])
		require.Zero(t, r.Signature)
	}

	o := everythingAllowed()
	o.MinEpoch = 364033
	g = guard(t, k, k.PublicKey(), o)
	stranger := testKey(t, 2).PublicKey()
	for _, c := range []struct {
		duty signer.Duty
		want string
	}{
		{electra(), "attestation: its target's epoch is 364032, at least 364033 expected"},
		{signer.Block{Slot: 364033*32 - 1}, "block: its epoch is 364032, at least 364033 expected"},
		{signer.ValidatorRegistration{FeeRecipient: keyshare.Address{1}, GasLimit: 60_000_000, PublicKey: k.PublicKey()}, "registration: the fee recipient 0x0100000000000000000000000000000000000000 is not on the list"},
		{signer.ValidatorRegistration{FeeRecipient: pod, GasLimit: 1, PublicKey: k.PublicKey()}, "registration: the gas limit 1 is not on the list"},
		{signer.ValidatorRegistration{FeeRecipient: pod, GasLimit: 60_000_000, PublicKey: stranger}, "registration: it is of the key " + stranger.String()},
		{signer.Deposit{PublicKey: stranger, WithdrawalCredentials: signer.ExecutionCredentials(pod), Amount: 32 * signer.Ether}, "deposit: it is of the key"},
		{signer.BLSToExecutionChange{From: stranger, To: pod}, "credential change: it is of the key"},
	} {
		r := sign(t, g, c.duty)[0]
		require.ErrorIs(t, r.Err, signer.ErrDenied)
		require.ErrorContains(t, r.Err, "signer: denied by policy: "+c.want)
		require.Zero(t, r.Signature)
	}
	require.NoError(t, sign(t, g, at(electra(), 364033))[0].Err)
}

// A duty that fails does not sink the others.
func TestGuardResults(t *testing.T) {
	k := testKey(t, 1)
	g := guard(t, k, k.PublicKey(), nil)
	wrong := electra()
	wrong.Index = 5
	surrounding := at(electra(), 364033)
	surrounding.Source.Epoch = 364030
	results := sign(t, g, electra(), nil, wrong, surrounding, signer.VoluntaryExit{}, signer.Randao{})
	require.NoError(t, results[0].Err)
	require.EqualError(t, results[1].Err, "signer: the duty is missing")
	require.EqualError(t, results[2].Err, "signer: attestation: the index is 5, at most 0 expected under electra")
	require.ErrorIs(t, results[3].Err, signer.ErrSlashable)
	require.ErrorIs(t, results[4].Err, signer.ErrDenied)
	require.NoError(t, results[5].Err)
	require.Empty(t, sign(t, g))

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := g.Sign(ctx, electra())
	require.ErrorIs(t, err, context.Canceled)
}

// A share signs under its own key, and its history is the validator's: all shares
// that have one history together sign once.
func TestGuardOfShares(t *testing.T) {
	_, group, members := cluster(t, 3, 4)
	p := history(t, signer.Mainnet)
	ids := group.Members()
	a, b := members[ids[0]].share, members[ids[1]].share
	first, err := signer.NewGuard(signer.Mainnet, group.PublicKey(), a, p, nil)
	require.NoError(t, err)
	second, err := signer.NewGuard(signer.Mainnet, group.PublicKey(), b, p, nil)
	require.NoError(t, err)
	require.Equal(t, a.PublicKey(), first.PublicKey())
	require.Equal(t, group.PublicKey(), first.Validator())

	root, err := signer.SigningRoot(signer.Mainnet, electra())
	require.NoError(t, err)
	partial := sign(t, first, electra())[0]
	require.NoError(t, partial.Err)
	require.True(t, a.PublicKey().Verify(root, partial.Signature))
	other := electra()
	other.BeaconBlockRoot = keyshare.Root{8}
	require.ErrorIs(t, sign(t, second, other)[0].Err, signer.ErrSlashable)

	stranger := testKey(t, 1).PublicKey()
	_, err = signer.NewGuard(signer.Mainnet, stranger, a, p, nil)
	require.ErrorContains(t, err, "the share is of the validator")
}

// recorder is a protector that counts its calls and may refuse.
type recorder struct {
	mu     sync.Mutex
	calls  int
	claims []signer.Claim
	err    error
	short  bool
}

func (r *recorder) GenesisValidatorsRoot() keyshare.Root {
	return signer.Mainnet.GenesisValidatorsRoot()
}

func (r *recorder) Protect(_ context.Context, claims ...signer.Claim) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	r.claims = append(r.claims, claims...)
	errs := make([]error, len(claims))
	for i := range errs {
		errs[i] = r.err
	}
	if r.short {
		return errs[1:]
	}
	return errs
}

// lyingKey returns something else than its signature.
type lyingKey struct {
	keyshare.Key
	lie func([]keyshare.Signature) ([]keyshare.Signature, error)
	mu  sync.Mutex
	ran int
}

func (k *lyingKey) SignRoots(ctx context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error) {
	k.mu.Lock()
	k.ran++
	k.mu.Unlock()
	s, err := k.Key.SignRoots(ctx, roots...)
	if err != nil {
		return nil, err
	}
	return k.lie(s)
}

// Duties of many guards share one call of the protector.
func TestSignAll(t *testing.T) {
	p := &recorder{}
	var jobs []signer.Job
	for i := range byte(50) {
		k := testKey(t, i+1)
		g, err := signer.NewGuard(signer.Mainnet, k.PublicKey(), k, p, nil)
		require.NoError(t, err)
		jobs = append(jobs, signer.Job{Guard: g, Duty: electra()}, signer.Job{Guard: g, Duty: signer.Randao{}})
	}
	jobs = append(jobs, signer.Job{Duty: electra()})
	results, err := signer.SignAll(context.Background(), jobs...)
	require.NoError(t, err)
	require.Equal(t, 1, p.calls)
	require.Len(t, p.claims, 50)
	for i, j := range jobs[:100] {
		require.NoError(t, results[i].Err)
		root, err := signer.SigningRoot(signer.Mainnet, j.Duty)
		require.NoError(t, err)
		require.True(t, j.Guard.Validator().Verify(root, results[i].Signature))
	}
	require.EqualError(t, results[100].Err, "signer: the guard is missing")
}

// Nothing is signed that was not recorded, and nothing unrecorded reaches the key.
func TestGuardRecordsFirst(t *testing.T) {
	k := &lyingKey{Key: testKey(t, 1), lie: func(s []keyshare.Signature) ([]keyshare.Signature, error) { return s, nil }}
	boom := errors.New("boom")
	p := &recorder{err: boom}
	g, err := signer.NewGuard(signer.Mainnet, k.PublicKey(), k, p, nil)
	require.NoError(t, err)
	require.ErrorIs(t, sign(t, g, electra())[0].Err, boom)
	p.err, p.short = nil, true
	require.EqualError(t, sign(t, g, electra())[0].Err, "signer: the protector returned 0 answers, 1 expected")
	require.Zero(t, k.ran)
}

func TestGuardChecksSignatures(t *testing.T) {
	for name, c := range map[string]struct {
		lie   func([]keyshare.Signature) ([]keyshare.Signature, error)
		want  string // with VerifyAfterSign
		plain string // without
	}{
		"none":    {func([]keyshare.Signature) ([]keyshare.Signature, error) { return nil, nil }, "returned 0 signatures, 2 expected", "returned 0 signatures, 2 expected"},
		"failed":  {func([]keyshare.Signature) ([]keyshare.Signature, error) { return nil, errors.New("boom") }, "signer: sign: boom", "signer: sign: boom"},
		"missing": {func(s []keyshare.Signature) ([]keyshare.Signature, error) { clear(s); return s, nil }, "missing signature", "missing signature"},
		"swapped": {func(s []keyshare.Signature) ([]keyshare.Signature, error) { s[0], s[1] = s[1], s[0]; return s, nil }, "does not verify", ""},
	} {
		for _, verify := range []bool{false, true} {
			k := &lyingKey{Key: testKey(t, 1), lie: c.lie}
			o := everythingAllowed()
			o.VerifyAfterSign = verify
			g := guard(t, k, k.PublicKey(), o)
			want := c.plain
			if verify {
				want = c.want
			}
			for _, r := range sign(t, g, signer.Randao{Epoch: 1}, signer.Randao{Epoch: 2}) {
				if want == "" {
					require.NoError(t, r.Err)
					continue
				}
				require.ErrorContains(t, r.Err, want, name)
				require.Zero(t, r.Signature)
			}
			for _, r := range sign(t, g, signer.VoluntaryExit{Epoch: 1}, signer.VoluntaryExit{Epoch: 2}) {
				require.Error(t, r.Err, "%s: what can not be taken back is always verified", name)
				require.Zero(t, r.Signature)
			}
		}
	}
}

// uncomparable is a protector that is no pointer and can not be compared.
type uncomparable struct {
	*recorder
	_ []byte
}

// hollow is one whose type alone does not say that it can not be compared.
type hollow struct {
	*recorder
	inner any
}

func TestNewGuardRefuses(t *testing.T) {
	k := testKey(t, 1)
	p := &recorder{}
	for _, c := range []struct {
		n    *signer.Network
		v    keyshare.PublicKey
		k    keyshare.Key
		p    signer.Protector
		want string
	}{
		{nil, k.PublicKey(), k, p, "the network is missing"},
		{signer.Mainnet, keyshare.PublicKey{}, k, p, "the validator's public key is missing"},
		{signer.Mainnet, k.PublicKey(), nil, p, "the key is missing"},
		{signer.Mainnet, k.PublicKey(), k, nil, "the protector is missing"},
		{signer.Mainnet, k.PublicKey(), k, uncomparable{recorder: p}, "can not be compared"},
		{signer.Mainnet, k.PublicKey(), k, hollow{p, []byte{}}, "can not be compared"},
		{signer.Hoodi, k.PublicKey(), k, p, "of hoodi expected"},
	} {
		_, err := signer.NewGuard(c.n, c.v, c.k, c.p, nil)
		require.ErrorContains(t, err, c.want)
	}
}

// The log has one record a duty, with what is public and nothing else.
func TestGuardLogs(t *testing.T) {
	var b bytes.Buffer
	k := testKey(t, 1)
	g := guard(t, k, k.PublicKey(), &signer.GuardOptions{Logger: slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	other := electra()
	other.BeaconBlockRoot = keyshare.Root{8}
	wrong := electra()
	wrong.Slot++
	wrong.Index = 9
	results := sign(t, g, electra(), other, signer.VoluntaryExit{}, wrong)
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	require.Len(t, lines, 4)
	for i, want := range []string{
		"level=DEBUG msg=duty duty=attestation outcome=signed network=mainnet validator=" + k.PublicKey().String() + " slot=11649024 source=364031 target=364032",
		"level=WARN msg=duty duty=attestation outcome=slashable",
		`level=WARN msg=duty duty="voluntary exit" outcome=denied`,
		"level=ERROR msg=duty duty=attestation outcome=failed",
	} {
		require.Contains(t, lines[i], want)
	}
	require.NotContains(t, b.String(), results[0].Signature.String()[2:])
}
