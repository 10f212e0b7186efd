package signer_test

import (
	"crypto/sha256"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// Roots and signatures equal those of an independent implementation.
func TestDutyVectors(t *testing.T) {
	var list []struct {
		Name        string          `json:"name"`
		Object      json.RawMessage `json:"object"`
		SigningRoot string          `json:"signing_root"`
		PublicKey   string          `json:"pubkey"`
		Signature   string          `json:"signature"`
	}
	vectors.JSON(t, "duties/derived_duty_signing_roots.json", &list)
	require.Len(t, list, 8)
	for _, v := range list {
		t.Run(v.Name, func(t *testing.T) {
			root, err := signer.SigningRoot(signer.Mainnet, vectorDuty(t, v.Name, v.Object))
			require.NoError(t, err)
			require.Equal(t, v.SigningRoot, root.String())
			require.True(t, publicKey(t, v.PublicKey).Verify(root, signature(t, v.Signature)))
		})
	}
}

func vectorDuty(t *testing.T, name string, object []byte) signer.Duty {
	t.Helper()
	decode := func(v any) { require.NoError(t, json.Unmarshal(object, v)) }
	switch name {
	case "attestation":
		var a attestationJSON
		decode(&a)
		return a.duty()
	case "block_header":
		var h headerJSON
		decode(&h)
		return h.duty()
	case "randao_reveal":
		var epoch number
		decode(&epoch)
		return signer.Randao{Epoch: uint64(epoch)}
	case "selection_proof":
		var slot number
		decode(&slot)
		return signer.SelectionProof{Slot: uint64(slot)}
	case "aggregate_and_proof_electra":
		var a aggregateJSON
		decode(&a)
		return a.duty()
	case "sync_committee_message":
		var root hexBytes
		decode(&root)
		return signer.SyncCommitteeMessage{Slot: 11649024, BeaconBlockRoot: keyshare.Root(root)}
	case "validator_registration_mainnet":
		var r struct {
			FeeRecipient keyshare.Address   `json:"fee_recipient"`
			GasLimit     uint64             `json:"gas_limit,string"`
			Timestamp    uint64             `json:"timestamp,string"`
			PublicKey    keyshare.PublicKey `json:"pubkey"`
		}
		decode(&r)
		return signer.ValidatorRegistration(r)
	case "voluntary_exit":
		var e struct {
			Epoch uint64 `json:"epoch,string"`
			Index uint64 `json:"validator_index,string"`
		}
		decode(&e)
		return signer.VoluntaryExit{Epoch: e.Epoch, ValidatorIndex: e.Index}
	}
	t.Fatalf("unknown duty %s", name)
	return nil
}

// electra is an attestation that mainnet takes: slot 11649024 starts epoch 364032,
// the first of Electra.
func electra() signer.Attestation {
	return signer.Attestation{
		Slot: 364032 * 32, BeaconBlockRoot: keyshare.Root{1},
		Source: signer.Checkpoint{Epoch: 364031, Root: keyshare.Root{2}},
		Target: signer.Checkpoint{Epoch: 364032, Root: keyshare.Root{3}},
	}
}

// at moves an attestation to an epoch.
func at(a signer.Attestation, epoch uint64) signer.Attestation {
	a.Slot, a.Source.Epoch, a.Target.Epoch = epoch*32, epoch-1, epoch
	return a
}

func TestDutiesRefused(t *testing.T) {
	key := testKey(t, 1).PublicKey()
	change := func(f func(*signer.Attestation)) signer.Attestation {
		a := electra()
		f(&a)
		return a
	}
	aggregate := func(f func(*signer.Aggregate)) signer.AggregateAndProof {
		a := signer.Aggregate{Bits: []byte{1}, Data: electra(), CommitteeBits: [8]byte{1}}
		f(&a)
		return signer.AggregateAndProof{Aggregate: a}
	}
	small, err := signer.NewNetwork(func() signer.NetworkConfig {
		c := devnet()
		c.MaxCommitteesPerSlot = 4
		c.Forks[4].Epoch = 0
		c.Forks = append(c.Forks, signer.Fork{Name: "electra", Version: signer.ForkVersion{0x60, 0, 0, 0x38}, Epoch: 1})
		return c
	}())
	require.NoError(t, err)
	for _, c := range []struct {
		network *signer.Network
		duty    signer.Duty
		want    string
	}{
		{signer.Mainnet, change(func(a *signer.Attestation) { a.Index = 1 }), "signer: attestation: the index is 1, at most 0 expected under electra"},
		{signer.Mainnet, change(func(a *signer.Attestation) { *a = at(*a, 364031); a.Index = 64 }), "signer: attestation: the index is 64, at most 63 expected under deneb"},
		{signer.Sepolia, change(func(a *signer.Attestation) { *a = at(*a, 353024); a.Index = 2 }), "signer: attestation: the index is 2, at most 1 expected under gloas"},
		{signer.Mainnet, change(func(a *signer.Attestation) { a.Slot-- }), "signer: attestation: slot 11649023 is of epoch 364031, but the target's epoch is 364032"},
		{signer.Mainnet, change(func(a *signer.Attestation) { a.Source.Epoch = a.Target.Epoch + 1 }), "signer: attestation: the source's epoch is 364033, at most 364032 of the target expected"},

		{signer.Mainnet, aggregate(func(a *signer.Aggregate) { a.Bits = nil }), "signer: aggregate: the aggregation bits are no SSZ bitlist: the delimiting bit is missing"},
		{signer.Mainnet, aggregate(func(a *signer.Aggregate) { a.Bits = []byte{1, 0} }), "signer: aggregate: the aggregation bits are no SSZ bitlist: the delimiting bit is missing"},
		{signer.Mainnet, aggregate(func(a *signer.Aggregate) { a.Bits = append(make([]byte, 131072/8), 2) }), "signer: aggregate: there are 131073 aggregation bits, at most 131072 expected under electra"},
		{signer.Mainnet, aggregate(func(a *signer.Aggregate) {
			a.Data, a.CommitteeBits, a.Bits = at(a.Data, 364031), [8]byte{}, append(make([]byte, 2048/8), 2)
		}), "signer: aggregate: there are 2049 aggregation bits, at most 2048 expected under deneb"},
		{signer.Mainnet, aggregate(func(a *signer.Aggregate) { a.Data = at(a.Data, 364031) }), "signer: aggregate: there are committee bits, none expected under deneb"},
		{signer.Mainnet, aggregate(func(a *signer.Aggregate) { a.CommitteeBits = [8]byte{} }), "signer: aggregate: there are no committee bits, at least one expected under electra"},
		{signer.Mainnet, aggregate(func(a *signer.Aggregate) { a.Data.Index = 3 }), "signer: aggregate: the index is 3, at most 0 expected under electra"},
		{small, aggregate(func(a *signer.Aggregate) { a.Data, a.CommitteeBits = at(a.Data, 1), [8]byte{0x10} }), "signer: aggregate: a committee bit from 0 on is set, committees below 4 expected"},
		{small, aggregate(func(a *signer.Aggregate) { a.Data, a.Bits = at(a.Data, 1), append(make([]byte, 8192/8), 2) }), "signer: aggregate: there are 8193 aggregation bits, at most 8192 expected under electra"},

		{signer.Mainnet, signer.AggregateRoot{Slot: 411392*32 - 1, Root: keyshare.Root{1}}, "signer: aggregate by root: slot 13164543 is of electra, whose form is known: an AggregateAndProof expected"},
		{signer.Mainnet, signer.AggregateRoot{Slot: 1 << 40, Root: keyshare.Root{1}}, "signer: aggregate by root: slot 1099511627776 is of fulu, whose form is known: an AggregateAndProof expected"},
		{signer.Sepolia, signer.AggregateRoot{Slot: 353024 * 32}, "signer: aggregate by root: the root is zero"},

		{signer.Mainnet, signer.SyncCommitteeMessage{Slot: 74240*32 - 1}, "signer: sync committee: slot 2375679 is of phase0, there are no sync committees before altair"},
		{signer.Mainnet, signer.SyncSelectionProof{Slot: 1 << 30, SubcommitteeIndex: 4}, "signer: sync committee: the subcommittee is 4, at most 3 expected"},
		{signer.Mainnet, signer.SyncContribution{Slot: 1 << 30, SubcommitteeIndex: 4}, "signer: sync committee: the subcommittee is 4, at most 3 expected"},

		{signer.Mainnet, signer.ValidatorRegistration{FeeRecipient: pod}, "signer: registration: the public key is missing"},
		{signer.Mainnet, signer.ValidatorRegistration{PublicKey: key}, "signer: registration: the fee recipient is the zero address, which burns the fees"},
		{signer.Mainnet, signer.OwnerNonce{}, "signer: owner nonce: the owner is the zero address"},
		{signer.Mainnet, signer.OwnerNonce{Owner: pod, Nonce: 65536}, "signer: owner nonce: the nonce is 65536, at most 65535 expected"},
	} {
		root, err := signer.SigningRoot(c.network, c.duty)
		require.EqualError(t, err, c.want)
		require.NotErrorIs(t, err, signer.ErrFork)
		require.Zero(t, root)
	}
}

// A fork whose rules are not known is an error of its own.
func TestUnknownFork(t *testing.T) {
	open, err := signer.Ephemery(135, keyshare.Root{1})
	require.NoError(t, err)
	gloas := at(electra(), 353024)
	for _, c := range []struct {
		network *signer.Network
		duty    signer.Duty
		want    string
	}{
		{signer.Sepolia, signer.AggregateAndProof{Aggregate: signer.Aggregate{Bits: []byte{1}, Data: gloas, CommitteeBits: [8]byte{1}}}, "consensus: the root of an aggregate is not settled for gloas"},
		{open, electra(), "consensus: the fork schedule of ephemery after capella is unknown"},
		{open, signer.Block{}, "consensus: the fork schedule of ephemery after capella is unknown"},
		{open, signer.Randao{}, "consensus: the fork schedule of ephemery after capella is unknown"},
		{open, signer.SelectionProof{}, "consensus: the fork schedule of ephemery after capella is unknown"},
		{open, signer.AggregateRoot{Root: keyshare.Root{1}}, "consensus: the fork schedule of ephemery after capella is unknown"},
		{open, signer.SyncCommitteeMessage{}, "consensus: the fork schedule of ephemery after capella is unknown"},
	} {
		_, err := signer.SigningRoot(c.network, c.duty)
		require.EqualError(t, err, c.want)
		require.ErrorIs(t, err, signer.ErrFork)
	}
	_, err = signer.SigningRoot(signer.Sepolia, gloas)
	require.NoError(t, err, "an attestation is what it was")
	_, err = signer.SigningRoot(open, signer.OwnerNonce{Owner: pod})
	require.NoError(t, err)
}

// An aggregate of a fork without a settled form is signed by its root, under the
// domain of aggregates: here computed from the words of the specification.
func TestAggregateRoot(t *testing.T) {
	object := keyshare.Root{7, 31: 9}
	got, err := signer.SigningRoot(signer.Sepolia, signer.AggregateRoot{Slot: 353024 * 32, Root: object})
	require.NoError(t, err)
	validators := signer.Sepolia.GenesisValidatorsRoot()
	fork := sha256.Sum256(append(append([]byte{0x90, 0, 0, 0x76}, make([]byte, 28)...), validators[:]...))
	domain := append([]byte{6, 0, 0, 0}, fork[:28]...)
	require.Equal(t, keyshare.Root(sha256.Sum256(append(object[:], domain...))), got)
}

// The same object under the fork before and after has another root.
func TestForkBoundaries(t *testing.T) {
	seen := map[keyshare.Root]bool{}
	count := 0
	for _, epoch := range []uint64{364031, 364032} {
		a := at(electra(), epoch)
		aggregate := signer.AggregateAndProof{Aggregate: signer.Aggregate{Bits: []byte{3}, Data: a}}
		if epoch == 364032 {
			aggregate.Aggregate.CommitteeBits[0] = 1
		}
		for _, d := range []signer.Duty{
			a, aggregate, signer.Block{Slot: a.Slot}, signer.Randao{Epoch: epoch}, signer.SelectionProof{Slot: a.Slot},
			signer.SyncCommitteeMessage{Slot: a.Slot}, signer.SyncSelectionProof{Slot: a.Slot}, signer.SyncContribution{Slot: a.Slot},
		} {
			root, err := signer.SigningRoot(signer.Mainnet, d)
			require.NoError(t, err)
			seen[root] = true
			count++
		}
	}
	require.Len(t, seen, count)
	before, err := signer.SigningRoot(signer.Mainnet, signer.SyncCommitteeMessage{Slot: 364032*32 - 1})
	require.NoError(t, err)
	after, err := signer.SigningRoot(signer.Mainnet, signer.SyncCommitteeMessage{Slot: 364032 * 32})
	require.NoError(t, err)
	require.NotEqual(t, before, after, "the object is the block root alone: the domain differs")
}
