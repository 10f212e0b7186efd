package ssv_test

import (
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// sizedKeys are RSA keys of sizes that the network does not take.
var sizedKeys = sync.OnceValue(func() map[int]*rsa.PublicKey {
	m := map[int]*rsa.PublicKey{}
	for _, bits := range []int{1024, 3072} {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		m[bits] = &k.PublicKey
	}
	// As public as a real one, and quicker to make.
	n := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(3), 4094), big.NewInt(1))
	m[4096] = &rsa.PublicKey{N: n, E: 65537}
	return m
})

// Every fault a file may have, and the error that names it. Each row spoils a
// sound file of three validators.
func TestVerifyFaults(t *testing.T) {
	type row struct {
		name  string
		spoil func(f *ssv.File)
		want  string // all messages, one a line
	}
	first := func(spoil func(it *ssv.Item)) func(*ssv.File) {
		return func(f *ssv.File) { f.Items = f.Items[:1]; spoil(&f.Items[0]) }
	}
	operator := func(i int, spoil func(o *keyshare.Operator)) func(*ssv.File) {
		return first(func(it *ssv.Item) {
			spoil(&it.Data.Operators[i])
			it.Payload.OperatorIDs[i] = it.Data.Operators[i].ID
		})
	}
	blob := func(spoil func(b []byte)) func(*ssv.File) {
		return first(func(it *ssv.Item) { spoil(it.Payload.SharesData) })
	}
	other := fixture(t, 4)
	good := threeItems(t)
	key := good.Items[0].Data.PublicKey
	rows := []row{
		{"no items", func(f *ssv.File) { f.Items = nil }, "ssv: shares: are none"},
		{"operator id 0", operator(0, func(o *keyshare.Operator) { o.ID = 0 }),
			"ssv: shares[0].data.operators[0].id: is 0, whose share would be the validator's key itself"},
		{"operator id 2^32", operator(3, func(o *keyshare.Operator) { o.ID = 1 << 32 }),
			"ssv: shares[0].data.operators[3].id: is 4294967296, want at most 4294967295"},
		{"operator id 2^64-1", operator(3, func(o *keyshare.Operator) { o.ID = 1<<64 - 1 }),
			"ssv: shares[0].data.operators[3].id: is 18446744073709551615, want at most 4294967295"},
		{"operator ids unsorted", first(func(it *ssv.Item) {
			it.Data.Operators[1], it.Data.Operators[2] = it.Data.Operators[2], it.Data.Operators[1]
			it.Payload.OperatorIDs[1], it.Payload.OperatorIDs[2] = 30, 20
		}), "ssv: shares[0].data.operators[2].id: 20 follows 30, want ascending order"},
		{"operator id twice", operator(1, func(o *keyshare.Operator) { o.ID = 10 }),
			"ssv: shares[0].data.operators[1].id: 10 occurs twice"},
		{"operator key twice", operator(2, func(o *keyshare.Operator) { o.PublicKey = &rsaPool[0]().PublicKey }),
			"ssv: shares[0].data.operators[2].operatorKey: is the key of operator 10 too"},
		{"RSA-1024", operator(2, func(o *keyshare.Operator) { o.PublicKey = sizedKeys()[1024] }),
			"ssv: shares[0].data.operators[2].operatorKey: RSA key of 1024 bits, want RSA-2048"},
		{"RSA-3072", operator(2, func(o *keyshare.Operator) { o.PublicKey = sizedKeys()[3072] }),
			"ssv: shares[0].data.operators[2].operatorKey: RSA key of 3072 bits, want RSA-2048"},
		{"RSA-4096", operator(2, func(o *keyshare.Operator) { o.PublicKey = sizedKeys()[4096] }),
			"ssv: shares[0].data.operators[2].operatorKey: RSA key of 4096 bits, want RSA-2048"},
		{"RSA exponent 3", operator(2, func(o *keyshare.Operator) { o.PublicKey = &rsa.PublicKey{N: o.PublicKey.N, E: 3} }),
			"ssv: shares[0].data.operators[2].operatorKey: RSA exponent is 3, want 65537"},
		{"RSA modulus even", operator(2, func(o *keyshare.Operator) {
			o.PublicKey = &rsa.PublicKey{N: new(big.Int).Sub(o.PublicKey.N, big.NewInt(1)), E: 65537}
		}), "ssv: shares[0].data.operators[2].operatorKey: RSA modulus is negative or even"},
		{"no RSA key", operator(2, func(o *keyshare.Operator) { o.PublicKey = nil }),
			"ssv: shares[0].data.operators[2].operatorKey: no key, want RSA-2048"},
		{"three operators", first(func(it *ssv.Item) {
			it.Data.Operators, it.Payload.OperatorIDs = it.Data.Operators[:3], it.Payload.OperatorIDs[:3]
		}), "ssv: shares[0].data.operators: a cluster of 3, want 4, 7, 10 or 13"},
		{"no operators", first(func(it *ssv.Item) { it.Data.Operators, it.Payload.OperatorIDs = nil, nil }),
			"ssv: shares[0].data.operators: a cluster of 0, want 4, 7, 10 or 13"},
		{"no public key", first(func(it *ssv.Item) {
			it.Data.PublicKey, it.Payload.PublicKey = keyshare.PublicKey{}, keyshare.PublicKey{}
		}), "ssv: shares[0].data.publicKey: names no key"},
		{"zero owner", first(func(it *ssv.Item) { it.Data.Owner = keyshare.Address{} }),
			"ssv: shares[0].data.ownerAddress: is the zero address"},
		{"nonce 65536", first(func(it *ssv.Item) { it.Data.Nonce = 65536 }),
			"ssv: shares[0].data.ownerNonce: is 65536, want at most 65535"},
		{"payload of another validator", first(func(it *ssv.Item) { it.Payload.PublicKey = good.Items[1].Data.PublicKey }),
			fmt.Sprintf("ssv: shares[0].payload.publicKey: is %s, want that of data, %s", good.Items[1].Data.PublicKey, key)},
		{"payload for other operators", first(func(it *ssv.Item) { it.Payload.OperatorIDs[3] = 41 }),
			"ssv: shares[0].payload.operatorIds: are [10 20 30 41], want those of data, [10 20 30 40]"},
		{"payload ids in another order", first(func(it *ssv.Item) { slices.Reverse(it.Payload.OperatorIDs) }),
			"ssv: shares[0].payload.operatorIds: are [40 30 20 10], want those of data, [10 20 30 40]"},
		{"sharesData empty", first(func(it *ssv.Item) { it.Payload.SharesData = nil }),
			"ssv: shares[0].payload.sharesData: has 0 bytes, want 1312 for 4 operators"},
		{"sharesData one byte short", first(func(it *ssv.Item) { it.Payload.SharesData = it.Payload.SharesData[:1311] }),
			"ssv: shares[0].payload.sharesData: has 1311 bytes, want 1312 for 4 operators"},
		{"sharesData one byte long", first(func(it *ssv.Item) { it.Payload.SharesData = append(it.Payload.SharesData, 0) }),
			"ssv: shares[0].payload.sharesData: has 1313 bytes, want 1312 for 4 operators"},
		{"signature no point", blob(func(b []byte) { b[0] ^= 0x80 }), "ssv: shares[0].payload.sharesData.signature: not a BLS signature"},
		{"signature at infinity", blob(func(b []byte) { clear(b[:96]); b[0] = 0xc0 }), "ssv: shares[0].payload.sharesData.signature: not a BLS signature"},
		{"signature of the negated point", blob(func(b []byte) { b[0] ^= 0x20 }),
			"ssv: shares[0].payload.sharesData.signature: is not the validator's for owner 0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494 and nonce 12"},
		{"another nonce", first(func(it *ssv.Item) { it.Data.Nonce = 13 }),
			"ssv: shares[0].payload.sharesData.signature: is not the validator's for owner 0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494 and nonce 13"},
		{"another owner", first(func(it *ssv.Item) { it.Data.Owner[19]++ }),
			"ssv: shares[0].payload.sharesData.signature: is not the validator's for owner 0x81592C3dE184a3E2c0dCb5a261bC107Bfa91f495 and nonce 12"},
		{"share public key no point", blob(func(b []byte) { b[96] ^= 0x80 }),
			"ssv: shares[0].payload.sharesData.publicKeys[0]: of operator 10: not a BLS public key"},
		{"share public key at infinity", blob(func(b []byte) { clear(b[240:288]); b[240] = 0xc0 }),
			"ssv: shares[0].payload.sharesData.publicKeys[3]: of operator 40: not a BLS public key"},
		{"share public key of a neighbour", blob(func(b []byte) { copy(b[144:192], b[96:144]) }),
			"ssv: shares[0].payload.sharesData.publicKeys[1]: of operator 20: is that of operator 10 too"},
		{"share public key negated", blob(func(b []byte) { b[144] ^= 0x20 }),
			"ssv: shares[0].payload.sharesData.publicKeys: do not share one key of which 3 sign"},
		{"share public keys exchanged", blob(func(b []byte) {
			x := slices.Clone(b[96:144])
			copy(b[96:144], b[144:192])
			copy(b[144:192], x)
		}), "ssv: shares[0].payload.sharesData.publicKeys: do not share one key of which 3 sign"},
		{"shares of another validator", blob(func(b []byte) { copy(b[96:], other.item.Payload.SharesData[96:]) }),
			fmt.Sprintf("ssv: shares[0].payload.sharesData.publicKeys: interpolate to the key %s, want %s", other.item.Data.PublicKey, key)},
		{"ciphertext not below the modulus", blob(func(b []byte) {
			for i := range b[288 : 288+256] {
				b[288+i] = 0xff
			}
		}), "ssv: shares[0].payload.sharesData.ciphertexts[0]: of operator 10: is no smaller than the operator's modulus: not encrypted to this key"},
		{"ciphertext zero", blob(func(b []byte) { clear(b[1056:]) }),
			"ssv: shares[0].payload.sharesData.ciphertexts[3]: of operator 40: is the number 0, no encryption"},
		{"validator twice", func(f *ssv.File) { f.Items[1] = f.Items[0]; f.Items = f.Items[:2] },
			"ssv: shares[1].data.publicKey: is the validator of shares[0] too\n" +
				"ssv: shares[1].data.ownerNonce: is 12, want 13 after the item before it"},
		{"order of items", func(f *ssv.File) { f.Items[1], f.Items[2] = f.Items[2], f.Items[1] },
			"ssv: shares[1].data.ownerNonce: is 14, want 13 after the item before it\n" +
				"ssv: shares[2].data.ownerNonce: is 13, want 15 after the item before it"},
		{"gap of nonces", func(f *ssv.File) { f.Items = slices.Delete(f.Items, 1, 2) },
			"ssv: shares[1].data.ownerNonce: is 14, want 13 after the item before it"},
	}
	seen := map[string]string{}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			f := clone(t, good)
			require.NoError(t, ssv.Verify(f, nil))
			r.spoil(f)
			err := ssv.Verify(f, nil)
			require.Error(t, err)
			got, want := strings.Split(err.Error(), "\n"), strings.Split(r.want, "\n")
			require.Len(t, got, len(want), "%v", err)
			for i := range want {
				require.True(t, strings.HasPrefix(got[i], want[i]), "got  %s\nwant %s", got[i], want[i])
			}
			var fault *ssv.VerifyError
			require.ErrorAs(t, err, &fault)
		})
		seen[r.want] = r.name
	}
	require.GreaterOrEqual(t, len(seen), 25)
}

// Faults that only a whole file has: operators and owner of its items.
func TestVerifyMixedFile(t *testing.T) {
	f := threeItems(t)
	seven := fixtureAt(t, 7, testNonce+1)
	f.Items[1] = seven.item
	err := ssv.Verify(f, nil)
	require.EqualError(t, err, "ssv: shares[1].data.operators: differ from those of the item before it\n"+
		"ssv: shares[2].data.operators: differ from those of the item before it")

	k := fixture(t, 4)
	elsewhere := testOwner
	elsewhere[0]++
	item, err := ssv.NewItem(k.group, k.sealed, k.operators, elsewhere, testNonce+1, k.sign(t, elsewhere, testNonce+1))
	require.NoError(t, err)
	f = threeItems(t)
	f.Items = append(f.Items[:1], *item)
	require.EqualError(t, ssv.Verify(f, nil), fmt.Sprintf("ssv: shares[1].data.ownerAddress: is %s, and %s in the item before it", elsewhere, testOwner))
}

func TestVerifyExpectations(t *testing.T) {
	f := threeItems(t)
	nonce, wrong := uint64(testNonce), uint64(11)
	stranger := keyshare.Operator{ID: 50, PublicKey: &rsaPool[4]().PublicKey}
	operators := f.Items[0].Data.Operators
	reversed := slices.Clone(operators)
	slices.Reverse(reversed)
	f.Items = f.Items[:1]
	for want, o := range map[string]*ssv.VerifyOptions{
		"": {Owner: testOwner, Nonce: &nonce, Operators: reversed},
		"ssv: shares[0].data.ownerNonce: is 12, want 11":                                                                                            {Nonce: &wrong},
		"ssv: shares[0].data.ownerNonce: is 12, want 0":                                                                                             {Nonce: new(uint64)},
		"ssv: shares[0].data.ownerAddress: is " + testOwner.String() + ", want 0x0100000000000000000000000000000000000000":                          {Owner: keyshare.Address{1}},
		"ssv: shares[0].data.operators[0].id: 10 is not among the expected operators\nssv: shares[0].data.operators: lack the expected operator 50": {Operators: append([]keyshare.Operator{stranger}, operators[1:]...)},
		"ssv: shares[0].data.operators[1].operatorKey: is not the expected key of operator 20": {Operators: []keyshare.Operator{
			operators[0], {ID: 20, PublicKey: stranger.PublicKey}, operators[2], operators[3]}},
	} {
		err := ssv.Verify(f, o)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, want)
	}
}

// A ciphertext's content is seen with the operator's key only.
func TestVerifyShares(t *testing.T) {
	f := threeItems(t)
	for _, key := range rsaKeys(4) {
		require.NoError(t, ssv.VerifyShares(f, key, nil))
	}
	require.EqualError(t, ssv.VerifyShares(&ssv.File{Items: f.Items[:1]}, rsaPool[4](), nil),
		"ssv: shares[0].data.operators: none of them holds the given private key")
	require.EqualError(t, ssv.VerifyShares(&ssv.File{Items: f.Items[:1]}, nil, nil),
		"ssv: shares[0].data.operators: no private key is given")

	b := f.Items[1].Payload.SharesData
	b[288+256] ^= 1 // within the ciphertext of operator 20
	require.NoError(t, ssv.VerifyShares(f, rsaPool[0](), nil))
	err := ssv.VerifyShares(f, rsaPool[1](), nil)
	require.ErrorContains(t, err, "ssv: shares[1].payload.sharesData.ciphertexts[1]: of operator 20: sealed share does not open")
	var fault *ssv.VerifyError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, 1, fault.Index)

	// An encryption to the right operator of another validator's share.
	copy(b[288+256:288+512], f.Items[2].Payload.SharesData[288+256:])
	require.NoError(t, ssv.Verify(f, nil))
	require.ErrorContains(t, ssv.VerifyShares(f, rsaPool[1](), nil), "ssv: shares[1].payload.sharesData.ciphertexts[1]: of operator 20: ")
	_, err = ssv.OpenShare(&f.Items[1], rsaPool[1]())
	require.Error(t, err)
	f.Items[1].Payload.SharesData = b[1:]
	_, err = ssv.OpenShare(&f.Items[1], rsaPool[1]())
	require.ErrorContains(t, err, "has 1311 bytes, want 1312")
}

func TestNewItemRefuses(t *testing.T) {
	c, other := fixture(t, 4), fixture(t, 4)
	owner, nonce := testOwner, uint64(testNonce)
	build := func(spoil func(c *cluster)) error {
		d := *c
		d.sealed, d.operators = slices.Clone(c.sealed), slices.Clone(c.operators)
		spoil(&d)
		item, err := ssv.NewItem(d.group, d.sealed, d.operators, owner, nonce, d.ownership)
		require.Equal(t, err == nil, item != nil)
		return err
	}
	require.NoError(t, build(func(*cluster) {}))
	for want, spoil := range map[string]func(c *cluster){
		"data.publicKey: no group is given":                               func(c *cluster) { c.group = nil },
		"payload.sharesData.signature: is missing":                        func(c *cluster) { c.ownership = keyshare.Signature{} },
		"payload.sharesData.signature: is not the validator's for owner ": func(c *cluster) { c.ownership = other.ownership },
		"payload.sharesData: 3 shares of a group of 4 for 4 operators":    func(c *cluster) { c.sealed = c.sealed[:3] },
		"payload.sharesData: 5 shares of a group of 4 for 4 operators":    func(c *cluster) { c.sealed = append(c.sealed, other.sealed[0]) },
		"data.operators[2].operatorKey: no key, want RSA-2048":            func(c *cluster) { c.operators[2].PublicKey = nil },
		"data.operators: a cluster of 3, want 4, 7, 10 or 13":             func(c *cluster) { c.operators, c.sealed = c.operators[:3], c.sealed[:3] },
		"data.operators[1].id: 10 follows 20, want ascending order": func(c *cluster) {
			c.operators[0], c.operators[1] = c.operators[1], c.operators[0]
			c.sealed[0], c.sealed[1] = c.sealed[1], c.sealed[0]
		},
		"payload.sharesData.publicKeys[0]: is a share of operator 20, want 10": func(c *cluster) { c.sealed[0], c.sealed[1] = c.sealed[1], c.sealed[0] },
		"payload.sharesData.publicKeys[0]: of operator 10: is ":                func(c *cluster) { c.sealed[0].PublicKey = other.sealed[0].PublicKey },
		"payload.sharesData.publicKeys[3]: operator 50 is no member":           func(c *cluster) { c.sealed[3].ID, c.operators[3].ID = 50, 50 },
		"payload.sharesData.ciphertexts[2]: of operator 30: has 255 bytes":     func(c *cluster) { c.sealed[2].Ciphertext = c.sealed[2].Ciphertext[1:] },
	} {
		require.ErrorContains(t, build(spoil), "ssv: "+want)
	}

	g, shares, err := keyshare.Split(c.secret, 2, []keyshare.Index{10, 20, 30, 40})
	require.NoError(t, err)
	var sealed []keyshare.Sealed
	for i, s := range shares {
		x, err := s.Seal(c.operators[i])
		require.NoError(t, err)
		sealed = append(sealed, x)
		s.Destroy()
	}
	require.ErrorContains(t, build(func(c *cluster) { c.group, c.sealed = g, sealed }), "the group's threshold is 2, want 3 of 4")
	nonce = ssv.MaxNonce + 1
	require.ErrorContains(t, build(func(c *cluster) { c.ownership = c.sign(t, owner, nonce) }), "data.ownerNonce: is 65536, want at most 65535")
	nonce, owner = 0, keyshare.Address{}
	require.ErrorContains(t, build(func(c *cluster) { c.ownership = c.sign(t, owner, nonce) }), "data.ownerAddress: is the zero address")
}

// No single changed bit of sharesData passes, except within the ciphertexts,
// where the operator whose it is finds it.
func TestVerifyFlippedBit(t *testing.T) {
	c := fixture(t, 4)
	rapid.Check(t, func(t *rapid.T) {
		bit := rapid.IntRange(0, 8*1312-1).Draw(t, "bit")
		it := c.item
		it.Payload.SharesData = slices.Clone(it.Payload.SharesData)
		it.Payload.SharesData[bit/8] ^= 1 << (bit % 8)
		f := &ssv.File{Items: []ssv.Item{it}}
		at := bit/8 - 288
		if at < 0 {
			require.Error(t, ssv.Verify(f, nil))
			return
		}
		require.Error(t, ssv.VerifyShares(f, c.keys[at/256], nil))
	})
}

// Every cluster size, nonce and owner makes an item that verifies and that every
// operator can open.
func TestItemProperties(t *testing.T) {
	clusters := map[int]*cluster{}
	for _, n := range []int{4, 7, 10, 13} {
		clusters[n] = fixture(t, n)
	}
	rapid.Check(t, func(t *rapid.T) {
		c := clusters[rapid.SampledFrom([]int{4, 7, 10, 13}).Draw(t, "n")]
		owner := keyshare.Address(rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "owner"))
		if owner.IsZero() {
			owner[0] = 1
		}
		nonce := rapid.Uint64Range(0, ssv.MaxNonce).Draw(t, "nonce")
		signed, err := c.secret.SignRoots(t.Context(), ssv.OwnerNonceRoot(owner, nonce))
		require.NoError(t, err)
		item, err := ssv.NewItem(c.group, c.sealed, c.operators, owner, nonce, signed[0])
		require.NoError(t, err)
		f := &ssv.File{Items: []ssv.Item{*item}}
		require.NoError(t, ssv.Verify(f, &ssv.VerifyOptions{Owner: owner, Nonce: &nonce, Operators: c.operators}))
		b, err := f.Bytes()
		require.NoError(t, err)
		read, err := ssv.ParseFile(b)
		require.NoError(t, err)
		require.Equal(t, f.Items, read.Items)
		i := rapid.IntRange(0, len(c.keys)-1).Draw(t, "operator")
		share, err := ssv.OpenShare(item, c.keys[i])
		require.NoError(t, err)
		require.Equal(t, c.operators[i].ID, share.Index())
		share.Destroy()
	})
}

// threeItems is a sound file of three validators with the same four operators.
func threeItems(t *testing.T) *ssv.File {
	t.Helper()
	f := &ssv.File{}
	for i := range uint64(3) {
		f.Items = append(f.Items, fixtureAt(t, 4, testNonce+i).item)
	}
	return clone(t, f)
}

// clone copies by writing and reading.
func clone(t *testing.T, f *ssv.File) *ssv.File {
	t.Helper()
	b, err := f.Bytes()
	require.NoError(t, err)
	g, err := ssv.ParseFile(b)
	require.NoError(t, err)
	return g
}
