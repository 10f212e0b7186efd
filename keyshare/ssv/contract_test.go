package ssv_test

import (
	"encoding/hex"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/abi"
	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// Every value of calldata-vectors.json, made anew from the same inputs.
func TestContractVectors(t *testing.T) {
	var v map[string]any
	vectors.JSON(t, "ssv/contract/calldata-vectors.json", &v)
	one, err := ssv.ParseFile(vectors.Read(t, "ssv/generated/cluster4-nonce0.keyshares.json"))
	require.NoError(t, err)
	three, err := ssv.ParseFile(vectors.Read(t, "ssv/generated/bulk3-cluster4-nonce5.cli.keyshares.json"))
	require.NoError(t, err)

	p := one.Items[0].Payload
	owner, operators, validator := one.Items[0].Data.Owner, p.OperatorIDs, p.PublicKey
	var payloads []ssv.Payload
	var validators []keyshare.PublicKey
	for _, it := range three.Items {
		payloads, validators = append(payloads, it.Payload), append(validators, it.Payload.PublicKey)
	}
	amount := big.NewInt(1e18)
	empty := ssv.EmptyCluster()
	some := ssv.Cluster{ValidatorCount: 7, NetworkFeeIndex: 57337485340, Index: 1234567890123, Active: true, Balance: big.NewInt(15e17)}
	v1 := &ssv.CallOptions{Version: ssv.ContractV1}

	made := map[string]string{}
	hash := func(name string, h [32]byte) { made[name] = "0x" + hex.EncodeToString(h[:]) }
	call := func(name string, value int64) func(c ssv.Call, err error) {
		return func(c ssv.Call, err error) {
			require.NoError(t, err, name)
			require.Equal(t, big.NewInt(value).String(), c.Value.String(), name)
			made[name] = "0x" + hex.EncodeToString(c.Data)
		}
	}
	hash("clusterId", ssv.ClusterID(owner, operators))
	hash("operatorIdsHash", ssv.OperatorIDsHash(operators))
	hash("validatorStorageKey", ssv.ValidatorKey(validator, owner))
	h, err := empty.Hash()
	require.NoError(t, err)
	hash("emptyClusterDataHash", h)
	h, err = some.Hash()
	require.NoError(t, err)
	hash("someClusterDataHash", h)

	call("v1_registerValidator_amount1e18_emptyCluster", 0)(ssv.RegisterValidator(p, amount, empty, v1))
	call("v2_registerValidator_emptyCluster", 1e18)(ssv.RegisterValidator(p, amount, empty, nil))
	call("v1_bulkRegisterValidator_amount1e18_someCluster", 0)(ssv.BulkRegisterValidator(payloads, amount, some, v1))
	call("v2_bulkRegisterValidator_someCluster", 0)(ssv.BulkRegisterValidator(payloads, nil, some, nil))
	call("removeValidator_someCluster", 0)(ssv.RemoveValidator(validator, operators, some))
	call("exitValidator", 0)(ssv.ExitValidator(validator, operators))
	call("bulkExitValidator", 0)(ssv.BulkExitValidator(validators, operators))
	call("v2_deposit_someCluster", 1e18)(ssv.Deposit(owner, operators, amount, some, nil))
	call("liquidate_someCluster", 0)(ssv.Liquidate(owner, operators, some))
	call("v2_reactivate_someCluster", 1e18)(ssv.Reactivate(operators, amount, some, &ssv.CallOptions{}))
	call("setFeeRecipientAddress", 0)(ssv.SetFeeRecipient(owner))

	key, err := ssv.EncodeOperatorKey(one.Items[0].Data.Operators[0].PublicKey)
	require.NoError(t, err)
	made["registerOperator_publicKey_arg_abiEncodedString"] = "0x" + hex.EncodeToString(key)
	parsed, err := ssv.ParseOperatorKey(key)
	require.NoError(t, err)
	require.True(t, parsed.Equal(one.Items[0].Data.Operators[0].PublicKey))

	// The event's data are the arguments of a registration, the cluster last.
	balance, err := abi.Uint256(some.Balance)
	require.NoError(t, err)
	public := validator.Bytes()
	made["ValidatorAdded_event_data"] = "0x" + hex.EncodeToString(abi.Encode(
		abi.Uint64s([]uint64{5, 17, 142, 1001}), abi.Bytes(public[:]), abi.Bytes(p.SharesData),
		abi.Tuple(abi.Uint64(uint64(some.ValidatorCount)), abi.Uint64(some.NetworkFeeIndex), abi.Uint64(some.Index), abi.Bool(some.Active), balance)))

	for name, value := range made {
		require.Equal(t, v[name], value, name)
	}
	for name := range v { // and no vector is left out
		switch name {
		case "note", "owner", "operatorIds", "emptyCluster", "someCluster": // the inputs
			continue
		}
		require.Contains(t, made, name)
	}
}

// The selectors of all functions, those that have no vector of their own too:
// the published ABIs have each of them, as one that takes coin or does not.
func TestSelectors(t *testing.T) {
	v1s, v2 := functions(t, "ssv/contract/abi-v1-ssvnode.txt"), functions(t, "ssv/contract/abi_v2_setter.txt")
	k := fixture(t, 4)
	p, operators, validator := k.item.Payload, k.item.Payload.OperatorIDs, k.item.Payload.PublicKey
	keys := []keyshare.PublicKey{validator}
	owner, amount, c := k.item.Data.Owner, big.NewInt(7), ssv.EmptyCluster()
	v1 := &ssv.CallOptions{Version: ssv.ContractV1}
	for selector, made := range map[string]func() (ssv.Call, error){
		"06e8fb9c": func() (ssv.Call, error) { return ssv.RegisterValidator(p, amount, c, v1) },
		"b84319fd": func() (ssv.Call, error) { return ssv.RegisterValidator(p, amount, c, nil) },
		"22f18bf5": func() (ssv.Call, error) { return ssv.BulkRegisterValidator([]ssv.Payload{p}, amount, c, v1) },
		"a1b483ca": func() (ssv.Call, error) { return ssv.BulkRegisterValidator([]ssv.Payload{p}, amount, c, nil) },
		"12b3fc19": func() (ssv.Call, error) { return ssv.RemoveValidator(validator, operators, c) },
		"5aed1142": func() (ssv.Call, error) { return ssv.BulkRemoveValidator(keys, operators, c) },
		"3877322b": func() (ssv.Call, error) { return ssv.ExitValidator(validator, operators) },
		"32afd02f": func() (ssv.Call, error) { return ssv.BulkExitValidator(keys, operators) },
		"bc26e7e5": func() (ssv.Call, error) { return ssv.Deposit(owner, operators, amount, c, v1) },
		"45f47188": func() (ssv.Call, error) { return ssv.Deposit(owner, operators, amount, c, nil) },
		"686e682c": func() (ssv.Call, error) { return ssv.Withdraw(operators, amount, c) },
		"5fec6dd0": func() (ssv.Call, error) { return ssv.Reactivate(operators, amount, c, v1) },
		"ea7844ff": func() (ssv.Call, error) { return ssv.Reactivate(operators, amount, c, nil) },
		"bf0f2fb2": func() (ssv.Call, error) { return ssv.Liquidate(owner, operators, c) },
		"dbcdc2cc": func() (ssv.Call, error) { return ssv.SetFeeRecipient(owner) },
	} {
		got, err := made()
		require.NoError(t, err, selector)
		require.Equal(t, selector, hex.EncodeToString(got.Data[:4]))
		require.Zero(t, (len(got.Data)-4)%32)
		require.NotNil(t, got.Value)
		declaration, inV2 := v2[selector]
		if !inV2 {
			declaration = v1s[selector]
		}
		require.NotEmpty(t, declaration, "%s: in neither ABI", selector)
		require.Equal(t, strings.HasSuffix(declaration, " payable"), got.Value.Sign() > 0, declaration)
	}
}

// functions reads a list of functions made from a published ABI: declarations by
// selector.
func functions(t *testing.T, file string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(string(vectors.Read(t, file))) {
		if declaration, ok := strings.CutPrefix(strings.TrimSpace(line), "function 0x"); ok {
			found[declaration[:8]] = declaration
		}
	}
	require.NotEmpty(t, found, file)
	return found
}

func TestCallRefusals(t *testing.T) {
	k := fixture(t, 4)
	p, ids, validator := k.item.Payload, k.item.Payload.OperatorIDs, k.item.Payload.PublicKey
	owner, one, c := k.item.Data.Owner, big.NewInt(1), ssv.EmptyCluster()
	tooMuch := new(big.Int).Lsh(one, 256)
	unsorted := []keyshare.Index{ids[1], ids[0], ids[2], ids[3]}
	short := p
	short.SharesData = p.SharesData[1:]
	foreign := p
	foreign.PublicKey, foreign.OperatorIDs = otherKey(t), []keyshare.Index{1, 2, 3, 4}
	many := make([]keyshare.PublicKey, ssv.MaxBulkExit+1)
	bulk := make([]ssv.Payload, 81)
	for i := range bulk {
		bulk[i] = p
	}
	for want, made := range map[string]func() (ssv.Call, error){
		"payload.publicKey: names no key": func() (ssv.Call, error) {
			return ssv.RegisterValidator(ssv.Payload{OperatorIDs: ids, SharesData: p.SharesData}, one, c, nil)
		},
		"payload.sharesData: has 1311 bytes, want 1312 for 4 operators": func() (ssv.Call, error) { return ssv.RegisterValidator(short, one, c, nil) },
		"amount: is -1, want 0 to 2^256-1":                              func() (ssv.Call, error) { return ssv.RegisterValidator(p, big.NewInt(-1), c, nil) },
		"amount: is " + tooMuch.String():                                func() (ssv.Call, error) { return ssv.Withdraw(ids, tooMuch, c) },
		"cluster balance: is " + tooMuch.String():                       func() (ssv.Call, error) { return ssv.Liquidate(owner, ids, ssv.Cluster{Balance: tooMuch}) },
		"amount: is 0, want more":                                       func() (ssv.Call, error) { return ssv.Withdraw(ids, nil, c) },
		"amount: is 0":                                                  func() (ssv.Call, error) { return ssv.Deposit(owner, ids, new(big.Int), c, nil) },
		"cluster balance: is -1":                                        func() (ssv.Call, error) { return ssv.Liquidate(owner, ids, ssv.Cluster{Balance: big.NewInt(-1)}) },
		"contract version: is unknown (2)":                              func() (ssv.Call, error) { return ssv.Reactivate(ids, one, c, &ssv.CallOptions{Version: 2}) },
		"owner: is the zero address":                                    func() (ssv.Call, error) { return ssv.Deposit(keyshare.Address{}, ids, one, c, nil) },
		"fee recipient: is the zero address":                            func() (ssv.Call, error) { return ssv.SetFeeRecipient(keyshare.Address{}) },
		"operatorIds[1]: 10 follows 20, want ascending order":           func() (ssv.Call, error) { return ssv.ExitValidator(validator, unsorted) },
		"operatorIds: a cluster of 3, want 4, 7, 10 or 13":              func() (ssv.Call, error) { return ssv.ExitValidator(validator, ids[:3]) },
		"operatorIds[0]: is 0":                                          func() (ssv.Call, error) { return ssv.ExitValidator(validator, []keyshare.Index{0, 1, 2, 3}) },
		"operatorIds[3]: is 4294967296":                                 func() (ssv.Call, error) { return ssv.ExitValidator(validator, []keyshare.Index{1, 2, 3, 1 << 32}) },
		"operatorIds[1]: 1 occurs twice":                                func() (ssv.Call, error) { return ssv.ExitValidator(validator, []keyshare.Index{1, 1, 3, 4}) },
		"validators[0]: names no key":                                   func() (ssv.Call, error) { return ssv.ExitValidator(keyshare.PublicKey{}, ids) },
		"validators: are 0, want 1 to 500":                              func() (ssv.Call, error) { return ssv.BulkExitValidator(nil, ids) },
		"validators: are 501, want 1 to 500":                            func() (ssv.Call, error) { return ssv.BulkRemoveValidator(many, ids, c) },
		"validators[1]: is validators[0] again": func() (ssv.Call, error) {
			return ssv.BulkExitValidator([]keyshare.PublicKey{validator, validator}, ids)
		},
		"payloads: are none":                                        func() (ssv.Call, error) { return ssv.BulkRegisterValidator(nil, one, c, nil) },
		"validators: are 81, want 1 to 80":                          func() (ssv.Call, error) { return ssv.BulkRegisterValidator(bulk, one, c, nil) },
		"payloads[1].operatorIds: differ from those of payloads[0]": func() (ssv.Call, error) { return ssv.BulkRegisterValidator([]ssv.Payload{p, foreign}, one, c, nil) },
	} {
		call, err := made()
		require.ErrorContains(t, err, "ssv: "+want)
		require.Empty(t, call.Data)
	}
}

func TestContractOn(t *testing.T) {
	for name, id := range map[string]string{"mainnet": "1", "hoodi": "560048", "holesky": "17000", "sepolia": "11155111"} {
		c, err := ssv.ContractOn(name)
		require.NoError(t, err)
		require.Equal(t, name, c.Network)
		require.False(t, c.Proxy.IsZero())
		d, err := ssv.ContractOn(id)
		require.NoError(t, err)
		require.Equal(t, c, d)
	}
	c, err := ssv.ContractOn("hoodi")
	require.NoError(t, err)
	require.Equal(t, "0x58410Bef803ECd7E63B23664C586A6DB72DAf59c", c.Proxy.String())
	require.Equal(t, [4]byte{0, 0, 5, 3}, c.DomainType)
	_, err = ssv.ContractOn("gnosis")
	require.EqualError(t, err, `ssv: network: no contracts known on "gnosis", want mainnet, hoodi, holesky or sepolia`)
	c.Proxy = keyshare.Address{}
	d, err := ssv.ContractOn("hoodi")
	require.NoError(t, err)
	require.False(t, reflect.DeepEqual(c, d), "the caller must get a copy")
}

func TestBulkLimits(t *testing.T) {
	require.Equal(t, []int{80, 40, 30, 20, 0}, []int{ssv.MaxBulkRegister(4), ssv.MaxBulkRegister(7), ssv.MaxBulkRegister(10), ssv.MaxBulkRegister(13), ssv.MaxBulkRegister(5)})
	require.Equal(t, ssv.Cluster{Active: true}, ssv.EmptyCluster())
	_, err := ssv.Cluster{Balance: big.NewInt(-1)}.Hash()
	require.EqualError(t, err, "ssv: cluster balance: is -1, want 0 to 2^256-1")
}
