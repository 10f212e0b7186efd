package keyshare_test

import (
	"context"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
)

func generate(t require.TestingT) *keyshare.SecretKey {
	k, err := keyshare.Generate()
	require.NoError(t, err)
	return k
}

func sign(t require.TestingT, k keyshare.Key, root keyshare.Root) keyshare.Signature {
	sigs, err := k.SignRoots(context.Background(), root)
	require.NoError(t, err)
	return sigs[0]
}

// The addresses of EIP-55's text.
var eip55 = []string{
	"0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
	"0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
	"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
	"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
}

func TestAddressEIP55(t *testing.T) {
	for _, text := range eip55 {
		a, err := keyshare.ParseAddress(text)
		require.NoError(t, err)
		require.Equal(t, text, a.String())
		require.Equal(t, strings.ToLower(text), "0x"+hex.EncodeToString(a[:]))
		digits := text[2:]
		for _, plain := range []string{"0x" + strings.ToLower(digits), "0x" + strings.ToUpper(digits)} {
			again, err := keyshare.ParseAddress(plain)
			require.NoError(t, err, "one case carries no checksum")
			require.Equal(t, a, again)
		}
		// One letter of the other case is a wrong checksum, unless the address is then of one case.
		for i, c := range digits {
			flipped := digits[:i] + string(c^0x20) + digits[i+1:]
			if c < 'A' || flipped == strings.ToLower(flipped) || flipped == strings.ToUpper(flipped) {
				continue
			}
			_, err := keyshare.ParseAddress("0x" + flipped)
			require.ErrorIs(t, err, keyshare.ErrAddress)
			require.ErrorContains(t, err, "checksum of 0x"+flipped+" is wrong, expected "+text)
		}
	}
}

func TestAddressRefusals(t *testing.T) {
	for _, text := range []string{
		"", "0x", "52908400098527886E0F7030069857D2E4169EE7", "0X52908400098527886E0F7030069857D2E4169EE7",
		"0x52908400098527886E0F7030069857D2E4169EE", "0x52908400098527886E0F7030069857D2E4169EE77",
		"0x52908400098527886E0F7030069857D2E4169EEg", " 0x52908400098527886E0F7030069857D2E4169EE7",
		"0x52908400098527886E0F7030069857D2E4169EE7\n",
	} {
		a, err := keyshare.ParseAddress(text)
		require.EqualError(t, err, fmt.Sprintf("keyshare: not an address: %q, expected 0x and 40 hex digits", text))
		require.True(t, a.IsZero())
		old := keyshare.Address{1}
		require.ErrorIs(t, old.UnmarshalText([]byte(text)), keyshare.ErrAddress)
		require.Equal(t, keyshare.Address{1}, old, "the receiver stays as it was")
	}
	_, err := keyshare.ParseAddress(strings.Repeat("x", 1000))
	require.Less(t, len(err.Error()), 150)
}

func FuzzAddress(f *testing.F) {
	for _, text := range eip55 {
		f.Add(text)
		f.Add(strings.ToLower(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := keyshare.ParseAddress(text)
		if err != nil {
			require.ErrorIs(t, err, keyshare.ErrAddress)
			require.Equal(t, keyshare.Address{}, a)
			return
		}
		require.True(t, strings.EqualFold(text, a.String()))
		again, err := keyshare.ParseAddress(a.String())
		require.NoError(t, err)
		require.Equal(t, a, again)
	})
}

func FuzzPublicKey(f *testing.F) {
	k := generate(f).PublicKey().Bytes()
	f.Add(k[:])
	f.Add(append([]byte{0xc0}, make([]byte, 47)...))
	f.Add(append(append([]byte{0x80}, make([]byte, 46)...), 4))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := keyshare.ParsePublicKey(b)
		if err != nil {
			require.ErrorIs(t, err, keyshare.ErrPublicKey)
			require.True(t, k.IsZero())
			return
		}
		got := k.Bytes()
		require.Equal(t, b, got[:])
		checkText(t, k, new(keyshare.PublicKey), "0x"+hex.EncodeToString(b))
	})
}

func FuzzSignature(f *testing.F) {
	s := sign(f, generate(f), keyshare.Root{1}).Bytes()
	f.Add(s[:])
	f.Add(append([]byte{0xc0}, make([]byte, 95)...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := keyshare.ParseSignature(b)
		if err != nil {
			require.ErrorIs(t, err, keyshare.ErrSignature)
			require.True(t, s.IsZero())
			return
		}
		got := s.Bytes()
		require.Equal(t, b, got[:])
		checkText(t, s, new(keyshare.Signature), "0x"+hex.EncodeToString(b))
	})
}

// checkText shows that v's text is want, and that want in every form that is read gives v again.
func checkText[T comparable, P interface {
	*T
	encoding.TextUnmarshaler
}](t *testing.T, v T, into P, want string) {
	t.Helper()
	require.Equal(t, want, fmt.Sprint(v))
	text, err := json.Marshal(v)
	require.NoError(t, err)
	require.Equal(t, `"`+want+`"`, string(text))
	for _, form := range []string{want, want[2:], strings.ToUpper(want[2:]), "0x" + strings.ToUpper(want[2:])} {
		*into = *new(T)
		require.NoError(t, into.UnmarshalText([]byte(form)))
		require.Equal(t, v, *into)
	}
}

func TestTextRefusals(t *testing.T) {
	key := generate(t).PublicKey()
	sig := sign(t, generate(t), keyshare.Root{})
	checkText(t, key, new(keyshare.PublicKey), key.String())
	checkText(t, sig, new(keyshare.Signature), sig.String())

	for _, c := range []struct {
		good  string
		size  int
		parse func(text string) error
		is    error
	}{
		{key.String(), 96, func(text string) error {
			k := key
			err := k.UnmarshalText([]byte(text))
			require.Equal(t, key, k, "the receiver stays as it was")
			return err
		}, keyshare.ErrPublicKey},
		{sig.String(), 192, func(text string) error {
			s := sig
			err := s.UnmarshalText([]byte(text))
			require.Equal(t, sig, s)
			return err
		}, keyshare.ErrSignature},
	} {
		for text, want := range map[string]string{
			"":                                     fmt.Sprintf("0 hex digits, expected %d", c.size),
			c.good[:len(c.good)-1]:                 fmt.Sprintf("%d hex digits, expected %d", c.size-1, c.size),
			c.good + "00":                          fmt.Sprintf("%d hex digits, expected %d", c.size+2, c.size),
			"0x" + c.good:                          fmt.Sprintf("%d hex digits, expected %d", c.size+2, c.size),
			"0X" + c.good[2:]:                      fmt.Sprintf("%d hex digits, expected %d", c.size+2, c.size),
			c.good[:10] + "g" + c.good[11:]:        fmt.Sprintf("not hexadecimal, expected %d digits", c.size),
			"0xc0" + strings.Repeat("0", c.size-2): "other than infinity",
			"0x" + strings.Repeat("0", c.size):     "prime-order subgroup",
		} {
			err := c.parse(text)
			require.ErrorIs(t, err, c.is, text)
			require.ErrorContains(t, err, want)
		}
	}
}

func TestZeroValuesAreNothing(t *testing.T) {
	key := generate(t)
	sig := sign(t, key, keyshare.Root{2})
	var noKey keyshare.PublicKey
	var noSig keyshare.Signature
	require.True(t, noKey.IsZero())
	require.True(t, noSig.IsZero())
	require.False(t, key.PublicKey().IsZero())
	require.False(t, sig.IsZero())
	require.Equal(t, [48]byte{}, noKey.Bytes())
	require.Equal(t, [96]byte{}, noSig.Bytes())
	_, err := noKey.MarshalText()
	require.ErrorIs(t, err, keyshare.ErrPublicKey)
	_, err = noSig.MarshalText()
	require.ErrorIs(t, err, keyshare.ErrSignature)
	for _, c := range []struct {
		k keyshare.PublicKey
		s keyshare.Signature
	}{{noKey, sig}, {key.PublicKey(), noSig}, {noKey, noSig}} {
		require.False(t, c.k.Verify(keyshare.Root{2}, c.s))
		require.False(t, c.k.VerifyIndependent(keyshare.Root{2}, c.s))
	}
	require.True(t, key.PublicKey().Verify(keyshare.Root{2}, sig))
	require.True(t, key.PublicKey().VerifyIndependent(keyshare.Root{2}, sig))
	require.False(t, key.PublicKey().Verify(keyshare.Root{3}, sig))
	require.False(t, key.PublicKey().VerifyIndependent(keyshare.Root{3}, sig))
	require.Equal(t, "0x02"+strings.Repeat("00", 31), keyshare.Root{2}.String())
}

// What the edge encodings name is refused as a key, as a share's public key, as a commitment and as a secret.
func TestEdgeEncodings(t *testing.T) {
	var e map[string]string
	vectors.JSON(t, "dkg/edge_encodings.json", &e)
	secrets, points := 0, 0
	for name, text := range e {
		b, err := hex.DecodeString(text)
		switch name {
		case "scalar_zero", "scalar_eq_r":
			secrets++
			require.NoError(t, err)
			_, err := keyshare.ParseSecretKey(b)
			require.ErrorIs(t, err, keyshare.ErrSecretKey, name)
			require.NotContains(t, err.Error(), text[:8])
		case "g1_infinity", "g1_on_curve_not_in_subgroup_x4":
			points++
			require.NoError(t, err)
			_, err := keyshare.ParsePublicKey(b)
			require.ErrorIs(t, err, keyshare.ErrPublicKey, name)
			var k keyshare.PublicKey
			require.ErrorIs(t, k.UnmarshalText([]byte(text)), keyshare.ErrPublicKey, name)
			var g keyshare.Group
			good := generate(t).PublicKey().String()
			for _, commitment := range []string{`"0x` + text + `","` + good + `"`, `"` + good + `","0x` + text + `"`} {
				require.ErrorIs(t, g.UnmarshalJSON([]byte(`{"commitment":[`+commitment+`],"members":[1,2]}`)), keyshare.ErrGroup, name)
			}
		}
	}
	require.Equal(t, 2, secrets)
	require.Equal(t, 2, points)
}

func TestParseSecretKey(t *testing.T) {
	for _, n := range []int{0, 1, 31, 33, 64} {
		_, err := keyshare.ParseSecretKey(make([]byte, n))
		require.Equal(t, keyshare.ErrSecretKey, err)
	}
	k := generate(t)
	require.NoError(t, k.Use(func(secret []byte) error {
		require.Len(t, secret, keyshare.SecretKeySize)
		again, err := keyshare.ParseSecretKey(secret)
		require.NoError(t, err)
		require.True(t, again.Equal(k))
		require.Equal(t, k.PublicKey(), again.PublicKey())
		again.Destroy()
		require.False(t, again.Equal(k))
		return nil
	}))
	require.False(t, k.Equal(generate(t)))
	stop := errors.New("stop")
	require.Equal(t, stop, k.Use(func([]byte) error { return stop }))
}
