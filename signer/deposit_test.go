package signer_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// stubKey is a key whose owner counts how often it is used and says what it returns.
type stubKey struct {
	public keyshare.PublicKey
	uses   int
	sign   func(roots []keyshare.Root) ([]keyshare.Signature, error)
}

func (k *stubKey) PublicKey() keyshare.PublicKey { return k.public }

func (k *stubKey) SignRoots(_ context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error) {
	k.uses++
	return k.sign(roots)
}

// Every refusal comes before the key is used.
func TestSignDepositRefused(t *testing.T) {
	custom, err := signer.NewNetwork(devnet())
	require.NoError(t, err)
	execution, compounding := signer.ExecutionCredentials(pod), signer.CompoundingCredentials(pod)
	bls := signer.BLSCredentials(testKey(t, 2).PublicKey())
	padded := execution
	padded[5] = 1
	over := &signer.DepositOptions{AllowOverMax: true}
	inPod := &signer.DepositOptions{EigenPod: pod}
	const prefix = "signer: deposit: "

	for _, c := range []struct {
		network *signer.Network
		wc      signer.WithdrawalCredentials
		amount  signer.Gwei
		options *signer.DepositOptions
		want    string
	}{
		{signer.Hoodi, padded, 32 * signer.Ether, nil, "withdrawal_credentials: have bytes other than zero between prefix and address"},
		{signer.Hoodi, signer.WithdrawalCredentials{0: 1}, 32 * signer.Ether, nil, "withdrawal_credentials: have the zero address"},
		{signer.Hoodi, signer.WithdrawalCredentials{}, 32 * signer.Ether, nil, "withdrawal_credentials: are all zero"},
		{signer.Hoodi, signer.WithdrawalCredentials{0: 0xb0, 31: 1}, 32 * signer.Ether, nil, "withdrawal_credentials: have the prefix 0xb0, 0x00, 0x01 or 0x02 expected"},

		{signer.Hoodi, execution, 0, nil, "amount: is 0 ETH, at least 1 ETH expected"},
		{custom, execution, signer.Ether - 1, nil, "amount: is 0.999999999 ETH, at least 1 ETH expected"},
		{signer.Hoodi, execution, 32*signer.Ether + 1, nil, "amount: is 32.000000001 ETH, at most 32 ETH expected for 0x01 credentials"},
		{signer.Hoodi, bls, 33 * signer.Ether, nil, "amount: is 33 ETH, at most 32 ETH expected for 0x00 credentials"},
		{signer.Hoodi, execution, 2048*signer.Ether + 1, over, "amount: is 2048.000000001 ETH, at most 2048 ETH expected"},
		{signer.Hoodi, compounding, 2049 * signer.Ether, nil, "amount: is 2049 ETH, at most 2048 ETH expected"},
		{signer.Gnosis, execution, signer.Ether / 2, nil, "amount: is 0.015625 GNO, at least 0.03125 GNO expected"},
		{signer.Gnosis, execution, 33 * signer.Ether, nil, "amount: is 1.03125 GNO, at most 1 GNO expected for 0x01 credentials"},
		{signer.Chiado, compounding, 2049 * signer.Ether, nil, "amount: is 64.03125 GNO, at most 64 GNO expected"},

		{signer.Hoodi, compounding, 32 * signer.Ether, inPod, "withdrawal_credentials: are " + compounding.String() + ", " + execution.String() + " of the EigenPod expected"},
		{signer.Hoodi, signer.ExecutionCredentials(keyshare.Address{1}), 32 * signer.Ether, inPod,
			"withdrawal_credentials: are 0x0100000000000000000000000100000000000000000000000000000000000000, " + execution.String() + " of the EigenPod expected"},
		{signer.Hoodi, execution, 31 * signer.Ether, inPod, "amount: is 31 ETH, exactly 32 ETH expected for an EigenPod"},
		{signer.Hoodi, execution, 33 * signer.Ether, &signer.DepositOptions{AllowOverMax: true, EigenPod: pod},
			"amount: is 33 ETH, exactly 32 ETH expected for an EigenPod"},
	} {
		k := &stubKey{public: testKey(t, 1).PublicKey()}
		d, err := signer.SignDeposit(context.Background(), c.network, k, c.wc, c.amount, c.options)
		require.EqualError(t, err, prefix+c.want)
		require.Nil(t, d)
		require.Zero(t, k.uses)
		var fault *signer.DepositError
		require.ErrorAs(t, err, &fault)
		require.Equal(t, -1, fault.Index)
		require.Equal(t, c.want, fault.Field+": "+fault.Reason)
	}

	_, err = signer.SignDeposit(context.Background(), nil, testKey(t, 1), execution, 32*signer.Ether, nil)
	require.ErrorContains(t, err, "signer: the network is missing")
	_, err = signer.SignDeposit(context.Background(), signer.Hoodi, nil, execution, 32*signer.Ether, nil)
	require.EqualError(t, err, "signer: deposit: the key is missing")
	_, err = signer.SignDeposit(context.Background(), signer.Hoodi, &stubKey{}, execution, 32*signer.Ether, nil)
	require.EqualError(t, err, "signer: deposit: pubkey: is missing")
}

// What is allowed: the limits themselves, and more on request.
func TestSignDepositLimits(t *testing.T) {
	custom, err := signer.NewNetwork(devnet())
	require.NoError(t, err)
	execution, compounding := signer.ExecutionCredentials(pod), signer.CompoundingCredentials(pod)
	bls := signer.BLSCredentials(testKey(t, 2).PublicKey())
	over := &signer.DepositOptions{AllowOverMax: true}
	for _, c := range []struct {
		network *signer.Network
		wc      signer.WithdrawalCredentials
		amount  signer.Gwei
		options *signer.DepositOptions
	}{
		{signer.Hoodi, execution, signer.Ether, nil},
		{signer.Hoodi, execution, 32 * signer.Ether, &signer.DepositOptions{EigenPod: pod}},
		{signer.Hoodi, execution, 2048 * signer.Ether, over},
		{signer.Mainnet, bls, 32 * signer.Ether, nil},
		{signer.Mainnet, compounding, 2048 * signer.Ether, nil},
		{signer.Gnosis, compounding, 2048 * signer.Ether, nil},
		{custom, execution, 32 * signer.Ether, nil},
	} {
		d, err := signer.SignDeposit(context.Background(), c.network, testKey(t, 1), c.wc, c.amount, c.options)
		require.NoError(t, err)
		require.NoError(t, d.Verify(c.network, c.options))
		require.Equal(t, c.network.Name(), d.NetworkName)
		require.Equal(t, c.network.GenesisForkVersion(), d.ForkVersion)
	}
}

// A key that does not sign what it is asked to is found out.
func TestSignDepositWithFaultyKey(t *testing.T) {
	honest := testKey(t, 1)
	wc := signer.ExecutionCredentials(pod)
	broken := errors.New("the token is gone")
	signOther := func([]keyshare.Root) ([]keyshare.Signature, error) {
		return honest.SignRoots(context.Background(), keyshare.Root{1})
	}
	for _, c := range []struct {
		public keyshare.PublicKey
		sign   func([]keyshare.Root) ([]keyshare.Signature, error)
		want   string
	}{
		{honest.PublicKey(), signOther, "signer: deposit: the key returned a signature that does not verify under its public key " + honest.PublicKey().String()},
		{
			testKey(t, 2).PublicKey(),
			func(roots []keyshare.Root) ([]keyshare.Signature, error) {
				return honest.SignRoots(context.Background(), roots...)
			},
			"signer: deposit: the key returned a signature that does not verify under its public key " + testKey(t, 2).PublicKey().String(),
		},
		{
			honest.PublicKey(),
			func([]keyshare.Root) ([]keyshare.Signature, error) { return make([]keyshare.Signature, 1), nil },
			"signer: deposit: the key returned a signature that does not verify under its public key " + honest.PublicKey().String(),
		},
		{
			honest.PublicKey(),
			func([]keyshare.Root) ([]keyshare.Signature, error) { return nil, nil },
			"signer: deposit: the key returned 0 signatures, 1 expected",
		},
		{
			honest.PublicKey(),
			func([]keyshare.Root) ([]keyshare.Signature, error) { return nil, broken },
			"signer: deposit: the token is gone",
		},
	} {
		k := &stubKey{public: c.public, sign: c.sign}
		d, err := signer.SignDeposit(context.Background(), signer.Hoodi, k, wc, 32*signer.Ether, nil)
		require.EqualError(t, err, c.want)
		require.Nil(t, d)
	}
	k := &stubKey{public: honest.PublicKey(), sign: func([]keyshare.Root) ([]keyshare.Signature, error) { return nil, broken }}
	_, err := signer.SignDeposit(context.Background(), signer.Hoodi, k, wc, 32*signer.Ether, nil)
	require.ErrorIs(t, err, broken)
}

func TestVerify(t *testing.T) {
	wc := signer.ExecutionCredentials(pod)
	good := signed(t, signer.Hoodi, 1, wc, 32*signer.Ether)
	require.NoError(t, good.Verify(signer.Hoodi, nil))
	const unverified = "signature: does not verify under the public key for this message on hoodi"
	for _, c := range []struct {
		change func(*signer.DepositData)
		want   []string
	}{
		{func(d *signer.DepositData) { d.PublicKey = testKey(t, 2).PublicKey() }, []string{unverified}},
		{func(d *signer.DepositData) { d.PublicKey = keyshare.PublicKey{} }, []string{"pubkey: is missing"}},
		{func(d *signer.DepositData) { d.WithdrawalCredentials[31]++ }, []string{unverified}},
		{func(d *signer.DepositData) { d.Amount-- }, []string{unverified}},
		{func(d *signer.DepositData) { d.Amount++ }, []string{"amount: is 32.000000001 ETH, at most 32 ETH expected for 0x01 credentials", unverified}},
		{func(d *signer.DepositData) { d.Signature = signed(t, signer.Hoodi, 2, wc, 32*signer.Ether).Signature }, []string{unverified}},
		{func(d *signer.DepositData) { d.Signature = keyshare.Signature{} }, []string{unverified}},
		{func(d *signer.DepositData) { d.ForkVersion[3]++ }, []string{"fork_version: is 0x10000911, 0x10000910 of hoodi expected"}},
		{func(d *signer.DepositData) { d.NetworkName = "mainnet" }, []string{`network_name: is "mainnet", "hoodi" expected`}},
		{
			func(d *signer.DepositData) { *d = *signed(t, signer.Mainnet, 1, wc, 32*signer.Ether) },
			[]string{"fork_version: is 0x00000000 of mainnet, 0x10000910 of hoodi expected", `network_name: is "mainnet", "hoodi" expected`},
		},
		{
			func(d *signer.DepositData) {
				*d = *signed(t, signer.Mainnet, 1, wc, 32*signer.Ether)
				d.ForkVersion, d.NetworkName = good.ForkVersion, good.NetworkName
			},
			[]string{unverified},
		},
	} {
		d := *good
		c.change(&d)
		require.EqualError(t, d.Verify(signer.Hoodi, nil), "signer: deposit: "+strings.Join(c.want, "\nsigner: deposit: "))
	}
	require.ErrorContains(t, good.Verify(nil, nil), "the network is missing")
	require.EqualError(t, good.Verify(signer.Hoodi, &signer.DepositOptions{EigenPod: keyshare.Address{1}}),
		"signer: deposit: withdrawal_credentials: are "+wc.String()+
			", 0x0100000000000000000000000100000000000000000000000000000000000000 of the EigenPod expected")
}

// The layout of the deposit contract's calldata: selector, three offsets and the
// root, then the three byte strings, each after its length.
func TestCalldata(t *testing.T) {
	d := signed(t, signer.Hoodi, 1, signer.ExecutionCredentials(pod), 32*signer.Ether)
	got, err := d.Calldata(signer.Hoodi)
	require.NoError(t, err)
	key, sig, root := d.PublicKey.Bytes(), d.Signature.Bytes(), d.DataRoot()
	word := func(tail string) string { return strings.Repeat("0", 64-len(tail)) + tail }
	want := "22895118" + word("80") + word("e0") + word("120") + hex.EncodeToString(root[:]) +
		word("30") + hex.EncodeToString(key[:]) + strings.Repeat("0", 32) +
		word("20") + "010000000000000000000000" + podDigits +
		word("60") + hex.EncodeToString(sig[:])
	require.Equal(t, want, hex.EncodeToString(got))
	require.Len(t, got, 420)

	got, err = d.StakeCalldata(signer.Hoodi)
	require.NoError(t, err)
	want = "9b4e4634" + word("60") + word("c0") + hex.EncodeToString(root[:]) +
		word("30") + hex.EncodeToString(key[:]) + strings.Repeat("0", 32) +
		word("60") + hex.EncodeToString(sig[:])
	require.Equal(t, want, hex.EncodeToString(got))

	// On Gnosis the amount of GNO is an argument, in its smallest unit: 0.5e18.
	d = signed(t, signer.Gnosis, 1, signer.ExecutionCredentials(pod), 16*signer.Ether)
	got, err = d.Calldata(signer.Gnosis)
	require.NoError(t, err)
	root = d.DataRoot()
	require.Len(t, got, 452)
	require.Equal(t, word("a0")+word("100")+word("140")+hex.EncodeToString(root[:])+word("6f05b59d3b20000"),
		hex.EncodeToString(got[4:4+5*32]))
}

func TestCalldataRefused(t *testing.T) {
	wc := signer.ExecutionCredentials(pod)
	good := signed(t, signer.Hoodi, 1, wc, 32*signer.Ether)
	_, err := good.Calldata(signer.Mainnet)
	require.EqualError(t, err, "signer: deposit: fork_version: is 0x10000910 of hoodi, 0x00000000 of mainnet expected\n"+
		`signer: deposit: network_name: is "hoodi", "mainnet" expected`)
	_, err = good.Calldata(nil)
	require.ErrorContains(t, err, "the network is missing")
	unsigned := *good
	unsigned.Signature = keyshare.Signature{}
	_, err = unsigned.Calldata(signer.Hoodi)
	require.EqualError(t, err, "signer: deposit: the signature is missing")
	padded := *good
	padded.WithdrawalCredentials[1] = 1
	_, err = padded.Calldata(signer.Hoodi)
	require.EqualError(t, err, "signer: deposit: withdrawal_credentials: have bytes other than zero between prefix and address")

	for _, c := range []struct {
		network *signer.Network
		wc      signer.WithdrawalCredentials
		amount  signer.Gwei
		want    string
	}{
		{signer.Hoodi, signer.CompoundingCredentials(pod), 32 * signer.Ether, "signer: deposit: withdrawal_credentials: have the prefix 0x02, 0x01 expected for an EigenPod"},
		{signer.Hoodi, signer.BLSCredentials(testKey(t, 2).PublicKey()), 32 * signer.Ether, "signer: deposit: withdrawal_credentials: have the prefix 0x00, 0x01 expected for an EigenPod"},
		{signer.Hoodi, wc, 31 * signer.Ether, "signer: deposit: amount: is 31 ETH, exactly 32 ETH expected for an EigenPod"},
		{signer.Hoodi, wc, 64 * signer.Ether, "signer: deposit: amount: is 64 ETH, exactly 32 ETH expected for an EigenPod"},
		{signer.Sepolia, wc, 32 * signer.Ether, "signer: deposit: no EigenPodManager is known on sepolia"},
	} {
		d := signed(t, c.network, 1, c.wc, c.amount)
		_, err := d.StakeCalldata(c.network)
		require.EqualError(t, err, c.want)
		_, err = d.Calldata(c.network)
		require.NoError(t, err)
	}
	_, err = good.StakeCalldata(signer.Mainnet)
	require.ErrorContains(t, err, "fork_version")
}

func TestCheckDeposit(t *testing.T) {
	require.NoError(t, signer.CheckDeposit(signer.Hoodi, signer.ExecutionCredentials(pod), 32*signer.Ether, nil))
	require.EqualError(t, signer.CheckDeposit(signer.Hoodi, signer.ExecutionCredentials(keyshare.Address{}), 33*signer.Ether, nil),
		"signer: deposit: withdrawal_credentials: have the zero address\n"+
			"signer: deposit: amount: is 33 ETH, at most 32 ETH expected for 0x01 credentials")
	require.ErrorContains(t, signer.CheckDeposit(nil, signer.ExecutionCredentials(pod), 32*signer.Ether, nil), "the network is missing")
}
