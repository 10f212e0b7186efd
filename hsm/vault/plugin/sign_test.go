package plugin_test

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/vaulttest"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

func testRaw(t *testing.T, m *mount) {
	pk := m.create(t, "k")
	roots := make([]string, 100)
	for i := range roots {
		roots[i] = keyshare.Root{byte(i)}.String()
	}
	var signed wire.Signed
	m.ok(t, "PUT", "sign/k", wire.Sign{PublicKey: pk.String(), Roots: roots}, &signed)
	require.Len(t, signed.Signatures, len(roots))
	for _, i := range []int{0, 50, 99} {
		require.True(t, pk.Verify(keyshare.Root{byte(i)}, signature(t, signed.Signatures[i])))
	}
	other := m.create(t, "other")
	m.refused(t, 404, "was asked for", "PUT", "sign/k", wire.Sign{PublicKey: other.String(), Roots: roots})
	m.refused(t, 400, "there are 0 roots", "PUT", "sign/k", wire.Sign{})
	m.refused(t, 400, "there are 1001 roots", "PUT", "sign/k", wire.Sign{Roots: make([]string, 1001)})
	m.refused(t, 400, "number 1 is not 0x", "PUT", "sign/k", wire.Sign{Roots: []string{roots[0], roots[1][2:]}})
	m.refused(t, 400, "unknown field", "PUT", "sign/k", map[string]any{"root": roots[0]})
	m.refused(t, 404, `no key "none"`, "PUT", "sign/none", wire.Sign{Roots: roots})
}

func testRawMany(t *testing.T, m *mount) {
	a, b := m.create(t, "a"), m.create(t, "b")
	root := keyshare.Root{1}
	var signed wire.SignedMany
	m.ok(t, "PUT", "sign", wire.SignMany{Requests: []wire.SignKey{
		{Name: "a", Sign: wire.Sign{Roots: []string{root.String(), root.String()}}},
		{Name: "b", Sign: wire.Sign{Roots: []string{root.String()}, PublicKey: b.String()}},
		{Name: "b", Sign: wire.Sign{Roots: []string{root.String()}, PublicKey: a.String()}},
		{Name: "none", Sign: wire.Sign{Roots: []string{root.String()}}},
		{Name: "a", Sign: wire.Sign{Roots: []string{"0x"}}},
		{Name: "../config", Sign: wire.Sign{Roots: []string{root.String()}}},
	}}, &signed)
	require.Len(t, signed.Results, 6)
	require.Len(t, signed.Results[0].Signatures, 2)
	require.True(t, a.Verify(root, signature(t, signed.Results[0].Signatures[1])))
	require.True(t, b.Verify(root, signature(t, signed.Results[1].Signatures[0])))
	for i, code := range map[int]string{2: wire.NotFound, 3: wire.NotFound, 4: wire.Invalid, 5: wire.Invalid} {
		require.NotNil(t, signed.Results[i].Fault, i)
		require.Equal(t, code, signed.Results[i].Fault.Code, "%d: %s", i, signed.Results[i].Fault.Text)
		require.Empty(t, signed.Results[i].Signatures)
	}
	m.refused(t, 400, "there are 0 roots", "PUT", "sign", wire.SignMany{})
	m.refused(t, 400, "number 1 has no roots", "PUT", "sign", wire.SignMany{Requests: []wire.SignKey{
		{Name: "a", Sign: wire.Sign{Roots: []string{root.String()}}}, {Name: "b"},
	}})
	m.refused(t, 400, "there are 1001 roots", "PUT", "sign", wire.SignMany{Requests: []wire.SignKey{
		{Name: "a", Sign: wire.Sign{Roots: make([]string, 500)}}, {Name: "b", Sign: wire.Sign{Roots: make([]string, 501)}},
	}})
	m.refused(t, 400, `unknown field "ROOTS"`, "PUT", "sign", map[string]any{"requests": []any{map[string]any{"name": "a", "ROOTS": []string{root.String()}}}})
	m.refused(t, 400, `unknown field "rootſ"`, "PUT", "sign/a", map[string]any{"rootſ": []string{root.String()}})
}

func testUncompressed(t *testing.T, m *mount) {
	pk := m.create(t, "k")
	verifies := func(root keyshare.Root, text string) {
		t.Helper()
		b, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		require.NoError(t, err)
		s, err := keyshare.ParseSignatureUncompressed(b)
		require.NoError(t, err)
		require.True(t, pk.Verify(root, s))
	}
	root := keyshare.Root{1}
	want := wire.Sign{Roots: []string{root.String()}, Uncompressed: true}
	var signed wire.Signed
	m.ok(t, "PUT", "sign/k", want, &signed)
	verifies(root, signed.Signatures[0])
	var many wire.SignedMany
	m.ok(t, "PUT", "sign", wire.SignMany{Requests: []wire.SignKey{{Name: "k", Sign: want}}}, &many)
	require.Equal(t, signed, many.Results[0].Signed)

	exit := signer.VoluntaryExit{Epoch: 1}
	root, err := signer.SigningRoot(signer.Hoodi, exit)
	require.NoError(t, err)
	var results wire.Results
	m.ok(t, "PUT", "exit/k", wire.Duties{Network: "hoodi", Duties: dutyTexts(t, exit), Uncompressed: true}, &results)
	verifies(root, results.Results[0].Signature)
	var resultsMany wire.ResultsMany
	m.ok(t, "PUT", "exit", wire.DutiesMany{Network: "hoodi", Uncompressed: true, Requests: []wire.DutiesKey{{Name: "k", Duties: dutyTexts(t, exit)}}}, &resultsMany)
	require.Equal(t, results, resultsMany.Results[0].Results)
}

func testDuties(t *testing.T, m *mount) {
	pk := m.create(t, "k")
	to := keyshare.Address{1}
	duties := map[string]signer.Duty{
		"attestation":          vote(1, 2, 1),
		"block":                signer.Block{Slot: 1},
		"randao":               signer.Randao{Epoch: 3},
		"selection-proof":      signer.SelectionProof{Slot: 3},
		"sync-message":         signer.SyncCommitteeMessage{Slot: 1},
		"sync-selection-proof": signer.SyncSelectionProof{Slot: 1, SubcommitteeIndex: 2},
		"sync-contribution":    signer.SyncContribution{Slot: 1},
		"aggregate": signer.AggregateAndProof{Aggregate: signer.Aggregate{
			Bits: []byte{3}, Data: vote(1, 2, 1),
		}},
		"aggregate-root":    signer.AggregateRoot{Slot: 353024 * 32, Root: keyshare.Root{1}},
		"registration":      signer.ValidatorRegistration{FeeRecipient: to, GasLimit: 3e7, Timestamp: 1, PublicKey: pk},
		"deposit":           signer.Deposit{PublicKey: pk, WithdrawalCredentials: signer.ExecutionCredentials(to), Amount: 32e9},
		"exit":              signer.VoluntaryExit{ValidatorIndex: 1},
		"credential-change": signer.BLSToExecutionChange{From: pk, To: to},
		"owner-nonce":       signer.OwnerNonce{Owner: to},
	}
	require.ElementsMatch(t, signer.DutyKinds(), keysOf(duties))
	for kind, d := range duties {
		if kind != "aggregate-root" {
			m.signs(t, kind, "k", pk, d)
		}
	}
	m.faults(t, wire.Invalid, "whose form is known", "aggregate-root", "k", duties["aggregate-root"])
	var aggregate wire.Results
	m.ok(t, "PUT", "aggregate-root/k", wire.Duties{Network: "sepolia", Duties: dutyTexts(t, duties["aggregate-root"])}, &aggregate)
	root, err := signer.SigningRoot(signer.Sepolia, duties["aggregate-root"])
	require.NoError(t, err)
	require.True(t, pk.Verify(root, signature(t, aggregate.Results[0].Signature)))
	m.faults(t, wire.Invalid, `type "exit", this path takes "randao"`, "randao", "k", duties["exit"])
	m.faults(t, wire.Invalid, "names the public key", "deposit", "k", signer.Deposit{
		PublicKey: m.create(t, "other"), WithdrawalCredentials: signer.ExecutionCredentials(to), Amount: 32e9,
	})
	m.faults(t, wire.Invalid, "at most 32 ETH expected", "deposit", "k", signer.Deposit{
		PublicKey: pk, WithdrawalCredentials: signer.ExecutionCredentials(to), Amount: 33e9,
	})
	m.faults(t, wire.Invalid, "slot 64 is of epoch 2", "attestation", "k", signer.Attestation{Slot: 64})
	m.refused(t, 400, "there are 0 duties", "PUT", "exit/k", wire.Duties{Network: "hoodi"})
	m.refused(t, 400, `network "moon" is unknown`, "PUT", "exit/k", map[string]any{"network": "moon", "duties": []any{1}})
	_, err = m.duties("exit", "none", duties["exit"])
	require.Equal(t, 404, vaulttest.Status(err), "%v", err)
	var got wire.Results
	m.ok(t, "PUT", "exit/k", map[string]any{"network": "hoodi", "duties": []any{map[string]any{"type": "exit", "epoch": "1"}, 7}}, &got)
	require.Equal(t, wire.Invalid, got.Results[0].Fault.Code)
	require.Equal(t, wire.Invalid, got.Results[1].Fault.Code)
}

func keysOf[V any](m map[string]V) (keys []string) {
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

func testSlashing(t *testing.T, m *mount) {
	pk := m.create(t, "k")
	m.signs(t, "attestation", "k", pk, vote(2, 4, 1))
	m.signs(t, "attestation", "k", pk, vote(2, 4, 1)) // the same again
	m.faults(t, wire.Slashable, "another one has been signed", "attestation", "k", vote(2, 4, 2))
	m.faults(t, wire.Slashable, "surrounds", "attestation", "k", vote(1, 5, 1))
	m.faults(t, wire.Slashable, "", "attestation", "k", vote(2, 3, 1))
	m.signs(t, "attestation", "k", pk, vote(3, 5, 1))
	block := signer.Block{Slot: 9, BodyRoot: keyshare.Root{1}}
	m.signs(t, "block", "k", pk, block)
	m.signs(t, "block", "k", pk, block)
	block.BodyRoot = keyshare.Root{2}
	m.faults(t, wire.Slashable, "another one has been signed", "block", "k", block)

	m.signs(t, "attestation", "free", m.create(t, "free"), vote(2, 4, 2)) // another key's history
	mainnet := wire.Duties{Network: "mainnet"}
	text, err := signer.EncodeDuty(vote(2, 4, 2))
	require.NoError(t, err)
	mainnet.Duties = append(mainnet.Duties, text)
	var got wire.Results
	m.ok(t, "PUT", "attestation/k", mainnet, &got)
	require.Nil(t, got.Results[0].Fault, "another chain's history")

	// The history outlives the key.
	k, _ := secretOf(t)
	m.imports(t, "again", k)
	m.signs(t, "attestation", "again", k.PublicKey(), vote(2, 4, 1))
	m.ok(t, "DELETE", "keys/again", nil, nil)
	m.imports(t, "anew", k)
	m.faults(t, wire.Slashable, "another one has been signed", "attestation", "anew", vote(2, 4, 2))
}

func testBatch(t *testing.T, m *mount) {
	pk := m.create(t, "k")
	var duties []signer.Duty
	for i := range uint64(50) {
		duties = append(duties, vote(i, i+1, 1), vote(i, i+1, 2))
	}
	got, err := m.duties("attestation", "k", duties...)
	require.NoError(t, err)
	require.Len(t, got, len(duties))
	for i, r := range got {
		if i%2 == 1 {
			require.Equal(t, wire.Slashable, r.Fault.Code, "the second for a target contradicts the first, in one batch too")
			continue
		}
		require.Nil(t, r.Fault)
		root, err := signer.SigningRoot(signer.Hoodi, duties[i])
		require.NoError(t, err)
		if i%10 == 0 {
			require.True(t, pk.Verify(root, signature(t, r.Signature)))
		}
	}
	_, err = m.duties("randao", "k", make([]signer.Duty, 0)...)
	require.Equal(t, 400, vaulttest.Status(err))
}

func testDutiesMany(t *testing.T, m *mount) {
	const n = 60
	want := wire.DutiesMany{Network: "hoodi"}
	keys := make([]keyshare.PublicKey, n)
	for i := range keys {
		name := fmt.Sprintf("k%d", i)
		keys[i] = m.create(t, name)
		want.Requests = append(want.Requests, wire.DutiesKey{Name: name, Duties: dutyTexts(t, vote(1, 2, 1))})
	}
	want.Requests = append(want.Requests,
		wire.DutiesKey{Name: "k0", Duties: dutyTexts(t, vote(1, 2, 2))},
		wire.DutiesKey{Name: "none", Duties: dutyTexts(t, vote(1, 2, 1))},
		wire.DutiesKey{Name: "k1", PublicKey: keys[0].String(), Duties: dutyTexts(t, vote(1, 2, 1))},
	)
	var got wire.ResultsMany
	m.ok(t, "PUT", "attestation", want, &got)
	require.Len(t, got.Results, n+3)
	root, err := signer.SigningRoot(signer.Hoodi, vote(1, 2, 1))
	require.NoError(t, err)
	for i := 1; i < n; i++ {
		require.Nil(t, got.Results[i].Fault)
		require.True(t, keys[i].Verify(root, signature(t, got.Results[i].Results.Results[0].Signature)))
	}
	first, second := got.Results[0].Results.Results[0], got.Results[n].Results.Results[0]
	require.NotEqual(t, first.Fault == nil, second.Fault == nil, "of two that contradict each other one is signed")
	require.Equal(t, wire.NotFound, got.Results[n+1].Fault.Code)
	require.Equal(t, wire.NotFound, got.Results[n+2].Fault.Code)
	m.refused(t, 400, "there are 0 duties", "PUT", "attestation", wire.DutiesMany{Network: "hoodi"})
	m.refused(t, 400, "number 1 has no duties", "PUT", "attestation", wire.DutiesMany{Network: "hoodi", Requests: []wire.DutiesKey{
		{Name: "k0", Duties: dutyTexts(t, vote(1, 2, 1))}, {Name: "k1"},
	}})
	m.refused(t, 400, "there are 1001 duties", "PUT", "attestation", map[string]any{"network": "hoodi", "requests": []any{
		map[string]any{"name": "k0", "duties": make([]int, 1001)},
	}})
}

func testHistory(t *testing.T, m *mount) {
	pk := m.create(t, "k")
	file := `{"metadata":{"interchange_format_version":"5","genesis_validators_root":"` + signer.Hoodi.GenesisValidatorsRoot().String() +
		`"},"data":[{"pubkey":"` + pk.String() + `","signed_blocks":[],"signed_attestations":[{"source_epoch":"3","target_epoch":"9"}]}]}`
	body := map[string]string{"network": "hoodi", "interchange": file}
	m.ok(t, "PUT", "history/k", body, nil)
	m.ok(t, "PUT", "history/k", body, nil)
	m.faults(t, wire.Slashable, "", "attestation", "k", vote(3, 9, 1))
	m.faults(t, wire.Slashable, "", "attestation", "k", vote(2, 10, 1))
	m.signs(t, "attestation", "k", pk, vote(3, 10, 1))
	m.create(t, "other")
	m.refused(t, 400, "is not in it", "PUT", "history/other", body)
	m.refused(t, 400, "genesis validators root", "PUT", "history/k", map[string]string{"network": "mainnet", "interchange": file})
	m.refused(t, 400, "interchange file", "PUT", "history/k", map[string]string{"network": "hoodi", "interchange": "{}"})
	m.refused(t, 404, "", "PUT", "history/none", body)
}
