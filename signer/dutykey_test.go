package signer_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// oneOfEach returns a duty of every kind, with no two fields alike.
func oneOfEach(pk keyshare.PublicKey) []signer.Duty {
	attestation := signer.Attestation{Slot: 11<<5 + 3, Index: 0, BeaconBlockRoot: keyshare.Root{1}, Source: signer.Checkpoint{Epoch: 9, Root: keyshare.Root{2}}, Target: signer.Checkpoint{Epoch: 11, Root: keyshare.Root{3}}}
	return []signer.Duty{
		attestation,
		signer.SelectionProof{Slot: 1<<64 - 1},
		signer.AggregateAndProof{AggregatorIndex: 5, Aggregate: signer.Aggregate{Bits: []byte{7, 1}, Data: attestation, CommitteeBits: [8]byte{4}, Signature: [96]byte{5}}, SelectionProof: [96]byte{6}},
		signer.AggregateRoot{Slot: 1, Root: keyshare.Root{2}},
		signer.Block{Slot: 1, ProposerIndex: 2, ParentRoot: keyshare.Root{3}, StateRoot: keyshare.Root{4}, BodyRoot: keyshare.Root{5}},
		signer.Randao{Epoch: 6},
		signer.ValidatorRegistration{FeeRecipient: keyshare.Address{1}, GasLimit: 2, Timestamp: 3, PublicKey: pk},
		signer.SyncCommitteeMessage{Slot: 1, BeaconBlockRoot: keyshare.Root{2}},
		signer.SyncSelectionProof{Slot: 1, SubcommitteeIndex: 2},
		signer.SyncContribution{AggregatorIndex: 1, Slot: 2, BeaconBlockRoot: keyshare.Root{3}, SubcommitteeIndex: 3, Bits: [16]byte{4}, Signature: [96]byte{5}, SelectionProof: [96]byte{6}},
		signer.Deposit{PublicKey: pk, WithdrawalCredentials: signer.ExecutionCredentials(keyshare.Address{9}), Amount: signer.ActivationBalance},
		signer.VoluntaryExit{Epoch: 12, ValidatorIndex: 7},
		signer.BLSToExecutionChange{ValidatorIndex: 1, From: pk, To: keyshare.Address{2}},
		signer.OwnerNonce{Owner: keyshare.Address{3}, Nonce: 4},
	}
}

func TestEncodeDuty(t *testing.T) {
	duties := oneOfEach(testKey(t, 1).PublicKey())
	require.Len(t, duties, len(signer.DutyKinds()))
	seen := map[string]bool{}
	for _, d := range duties {
		b, err := signer.EncodeDuty(d)
		require.NoError(t, err)
		back, err := signer.DecodeDuty(b)
		require.NoError(t, err, "%s", b)
		require.Equal(t, d, back)
		seen[reflect.TypeOf(d).Name()] = true
	}
	require.Len(t, seen, len(signer.DutyKinds()))

	b, err := signer.EncodeDuty(signer.VoluntaryExit{Epoch: 12, ValidatorIndex: 7})
	require.NoError(t, err)
	require.Equal(t, `{"epoch":"12","type":"exit","validator_index":"7"}`, string(b))
	_, err = signer.EncodeDuty(nil)
	require.Error(t, err)
	_, err = signer.EncodeDuty(&signer.VoluntaryExit{})
	require.ErrorContains(t, err, "pointer")
}

func TestDecodeDutyRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                             "duty",
		`[]`:                           "duty",
		`{}`:                           "the type is missing",
		`{"type":null}`:                "unknown",
		`{"type":7}`:                   "no string",
		`{"type":"stake"}`:             `type "stake" is unknown`,
		`{"type":"exit","epoch":"12"}`: "exit: validator_index is missing",
		`{"type":"exit","epoch":"12","validator_index":"7","slot":"1"}`:                       `exit: field "slot" is unknown`,
		`{"type":"exit","epoch":"12","epoch":"13","validator_index":"7"}`:                     "duty",
		`{"type":"exit","epoch":12,"validator_index":"7"}`:                                    "exit: epoch: is no string",
		`{"type":"exit","epoch":null,"validator_index":"7"}`:                                  "exit: epoch: is no string",
		`{"type":"exit","epoch":"012","validator_index":"7"}`:                                 "leading zeros",
		`{"type":"exit","epoch":"-1","validator_index":"7"}`:                                  "decimal number",
		`{"type":"exit","epoch":"18446744073709551616","validator_index":"7"}`:                "decimal number",
		`{"type":"exit","Epoch":"1","validator_index":"7"}`:                                   "epoch is missing",
		`{"type":"owner-nonce","nonce":"1","owner":"0x03"}`:                                   "owner: has 1 bytes, 20 expected",
		`{"type":"owner-nonce","nonce":"1","owner":"0xAB"}`:                                   "lower-case",
		`{"type":"owner-nonce","nonce":"1","owner":"03"}`:                                     "0x",
		`{"type":"deposit","amount":"1","public_key":"0x03","withdrawal_credentials":"0x00"}`: "public_key",
	} {
		_, err := signer.DecodeDuty([]byte(text))
		require.ErrorContains(t, err, want, "%s", text)
	}
}

func FuzzDecodeDuty(f *testing.F) {
	k, err := keyshare.Generate()
	if err != nil {
		f.Fatal(err)
	}
	defer k.Destroy()
	for _, d := range oneOfEach(k.PublicKey()) {
		b, err := signer.EncodeDuty(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := signer.DecodeDuty(b)
		if err != nil {
			return
		}
		again, err := signer.EncodeDuty(d)
		require.NoError(t, err)
		back, err := signer.DecodeDuty(again)
		require.NoError(t, err)
		require.Equal(t, d, back)
	})
}

// judge is a DutyKey that signs no roots and has its answers set by the test.
type judge struct {
	keyshare.Key
	answer func(network string, duties [][]byte) ([]keyshare.Signature, []error)
}

func (judge) SignRoots(context.Context, ...keyshare.Root) ([]keyshare.Signature, error) {
	return nil, errors.New("raw signing is off")
}

func (j judge) SignDuties(_ context.Context, network string, duties ...[]byte) ([]keyshare.Signature, []error) {
	return j.answer(network, duties)
}

// honest returns a judge that signs what it is handed.
func honest(t *testing.T, k keyshare.Key) judge {
	return judge{k, func(network string, duties [][]byte) ([]keyshare.Signature, []error) {
		n, err := signer.NetworkByName(network)
		require.NoError(t, err)
		signatures, errs := make([]keyshare.Signature, len(duties)), make([]error, len(duties))
		for i, b := range duties {
			d, err := signer.DecodeDuty(b)
			require.NoError(t, err)
			root, err := signer.SigningRoot(n, d)
			require.NoError(t, err)
			s, err := k.SignRoots(t.Context(), root)
			require.NoError(t, err)
			signatures[i] = s[0]
		}
		return signatures, errs
	}}
}

// TestDutyKeyIsHandedTheDuty signs what can not be taken back with a key that refuses roots.
func TestDutyKeyIsHandedTheDuty(t *testing.T) {
	k := testKey(t, 1)
	credentials := signer.ExecutionCredentials(keyshare.Address{9})
	got, err := signer.SignDeposit(t.Context(), signer.Hoodi, honest(t, k), credentials, signer.ActivationBalance, nil)
	require.NoError(t, err)
	want, err := signer.SignDeposit(t.Context(), signer.Hoodi, k, credentials, signer.ActivationBalance, nil)
	require.NoError(t, err)
	require.Equal(t, want, got)

	nonce, err := signer.SignOwnerNonce(t.Context(), signer.Hoodi, honest(t, k), keyshare.Address{1}, 5)
	require.NoError(t, err)
	same, err := signer.SignOwnerNonce(t.Context(), signer.Hoodi, k, keyshare.Address{1}, 5)
	require.NoError(t, err)
	require.Equal(t, same, nonce)
	_, err = signer.SignOwnerNonce(t.Context(), signer.Hoodi, nil, keyshare.Address{1}, 5)
	require.ErrorContains(t, err, "the key is missing")
	_, err = signer.SignOwnerNonce(t.Context(), signer.Hoodi, k, keyshare.Address{}, 5)
	require.ErrorContains(t, err, "zero address")
}

// TestGuardHandsOverDuties has a guard sign with a key that judges, and shows what comes of the key's refusal.
func TestGuardHandsOverDuties(t *testing.T) {
	k := testKey(t, 1)
	judging := honest(t, k)
	sign := judging.answer
	refused := -1
	judging.answer = func(network string, duties [][]byte) ([]keyshare.Signature, []error) {
		signatures, errs := sign(network, duties)
		if refused >= 0 {
			signatures[refused], errs[refused] = keyshare.Signature{}, contradiction{errors.New("seen")}
		}
		return signatures, errs
	}
	guard, err := signer.NewGuard(signer.Hoodi, k.PublicKey(), judging, permissive{}, nil)
	require.NoError(t, err)
	duties := []signer.Duty{signer.Randao{Epoch: 1}, signer.SelectionProof{Slot: 2}}
	results, err := guard.Sign(t.Context(), duties...)
	require.NoError(t, err)
	for i, r := range results {
		require.NoError(t, r.Err)
		root, err := signer.SigningRoot(signer.Hoodi, duties[i])
		require.NoError(t, err)
		require.True(t, k.PublicKey().Verify(root, r.Signature))
	}
	refused = 1
	results, err = guard.Sign(t.Context(), duties...)
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.ErrorIs(t, results[1].Err, signer.ErrSlashable)

	exit, err := signer.SignExit(t.Context(), signer.Hoodi, honest(t, k), signer.VoluntaryExit{Epoch: 1})
	require.NoError(t, err)
	require.False(t, exit.Signature.IsZero())
}

// permissive is a protector that keeps nothing.
type permissive struct{}

func (permissive) GenesisValidatorsRoot() keyshare.Root { return signer.Hoodi.GenesisValidatorsRoot() }

func (permissive) Protect(_ context.Context, claims ...signer.Claim) []error {
	return make([]error, len(claims))
}

type contradiction struct{ error }

func (contradiction) Slashable() bool { return true }

func TestDutyKeyAnswers(t *testing.T) {
	k, other := testKey(t, 1), testKey(t, 2)
	denied := errors.New("denied")
	wrong, err := other.SignRoots(t.Context(), keyshare.Root{})
	require.NoError(t, err)
	for name, c := range map[string]struct {
		signatures []keyshare.Signature
		errs       []error
		want       string
		is         error
	}{
		"refused":      {make([]keyshare.Signature, 1), []error{denied}, "denied", denied},
		"slashable":    {make([]keyshare.Signature, 1), []error{fmt.Errorf("vault: %w", contradiction{denied})}, "slashable", signer.ErrSlashable},
		"nothing":      {make([]keyshare.Signature, 1), []error{nil}, "does not verify", nil},
		"none":         {nil, nil, "0 signatures, 1 expected", nil},
		"too many":     {slices.Repeat(wrong, 2), make([]error, 2), "2 signatures", nil},
		"of other key": {wrong, []error{nil}, "does not verify", nil},
	} {
		j := judge{k, func(string, [][]byte) ([]keyshare.Signature, []error) { return c.signatures, c.errs }}
		_, err := signer.SignDeposit(t.Context(), signer.Hoodi, j, signer.ExecutionCredentials(keyshare.Address{9}), signer.ActivationBalance, nil)
		require.ErrorContains(t, err, c.want, name)
		if c.is != nil {
			require.ErrorIs(t, err, c.is, name)
		}
	}
}
