package plugin_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

func testNewMount(t *testing.T, m *mount) {
	var c map[string]any
	m.ok(t, "GET", "config", nil, &c)
	require.Equal(t, map[string]any{
		"networks": nil, "withdrawal_addresses": nil, "fee_recipients": nil, "operator_keys": nil, "raw_signing": false, "sealing": false,
	}, c)
	m.create(t, "k")
	m.refused(t, 403, "raw_signing is off", "PUT", "sign/k", wire.Sign{Roots: []string{keyshare.Root{}.String()}})
	m.refused(t, 403, "raw_signing is off", "PUT", "sign", wire.SignMany{})
	m.refused(t, 403, "hoodi is not among networks", "PUT", "exit/k", wire.Duties{Network: "hoodi", Duties: dutyTexts(t, signer.VoluntaryExit{})})
	o, _ := operator(t, 1, operatorKeys()[0])
	m.refused(t, 403, "is not among operator_keys", "PUT", "split/k", wire.Split{Threshold: 2, Operators: []wire.Operator{o}})
	m.refused(t, 403, "sealing is off", "PUT", "seal/k", wire.Seal{Operator: o})
}

func testConfiguration(t *testing.T, m *mount) {
	pk := m.create(t, "k")
	pod, other := keyshare.Address{0xAB, 1}, keyshare.Address{2}
	m.ok(t, "PUT", "config", map[string]any{
		"networks": "hoodi,sepolia", "withdrawal_addresses": []string{pod.String()}, "fee_recipients": pod.String(), "raw_signing": "false",
	}, nil)
	var c map[string]any
	m.ok(t, "GET", "config", nil, &c)
	require.Equal(t, map[string]any{
		"networks": []any{"hoodi", "sepolia"}, "withdrawal_addresses": []any{pod.String()}, "fee_recipients": []any{pod.String()},
		"operator_keys": []any{"*"}, "raw_signing": false, "sealing": true,
	}, c, "what is not given stays")
	deposit := func(wc signer.WithdrawalCredentials) signer.Deposit {
		return signer.Deposit{PublicKey: pk, WithdrawalCredentials: wc, Amount: 32e9}
	}
	m.signs(t, "deposit", "k", pk, deposit(signer.ExecutionCredentials(pod)))
	m.signs(t, "deposit", "k", pk, deposit(signer.CompoundingCredentials(pod)))
	m.faults(t, wire.Denied, "is not among withdrawal_addresses", "deposit", "k", deposit(signer.ExecutionCredentials(other)))
	m.faults(t, wire.Denied, "is not among withdrawal_addresses", "deposit", "k", deposit(signer.BLSCredentials(pk)))
	m.faults(t, wire.Denied, "is not among withdrawal_addresses", "credential-change", "k", signer.BLSToExecutionChange{From: pk, To: other})
	m.faults(t, wire.Denied, "is not among fee_recipients", "registration", "k", signer.ValidatorRegistration{FeeRecipient: other, PublicKey: pk})
	m.signs(t, "registration", "k", pk, signer.ValidatorRegistration{FeeRecipient: pod, PublicKey: pk})
	m.refused(t, 403, "mainnet is not among networks", "PUT", "exit/k", wire.Duties{Network: "mainnet", Duties: dutyTexts(t, signer.VoluntaryExit{})})
	m.refused(t, 403, "raw_signing is off", "PUT", "sign/k", wire.Sign{Roots: []string{keyshare.Root{}.String()}})

	for text, body := range map[string]map[string]any{
		`"raw" is unknown`:          {"raw": true},
		`network "moon" is unknown`: {"networks": "moon"},
		`"0x12" is no address`:      {"withdrawal_addresses": "0x12"},
		"is no address":             {"fee_recipients": keyshare.Address{}.String()},
		"is not 64 lower-case":      {"operator_keys": "AB"},
		"Field validation failed":   {"raw_signing": "perhaps"},
	} {
		m.refused(t, 400, text, "PUT", "config", body)
	}
	var same map[string]any
	m.ok(t, "GET", "config", nil, &same)
	require.Equal(t, c, same, "what was refused has changed nothing")
}

func testStats(t *testing.T, m *mount) {
	var s wire.Stats
	m.ok(t, "GET", "stats", nil, &s)
	require.Equal(t, wire.Version, s.Version)
	require.True(t, s.RawSigning)
	pk := m.create(t, "k")
	m.signs(t, "randao", "k", pk, signer.Randao{})
	m.signs(t, "attestation", "k", pk, vote(1, 2, 1))
	m.faults(t, wire.Slashable, "", "attestation", "k", vote(1, 2, 2))
	m.ok(t, "GET", "stats", nil, &s)
	require.Equal(t, uint64(2), s.Signatures)
	require.Equal(t, uint64(1), s.Refused)
}
