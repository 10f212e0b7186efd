package eip2335

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/kdf"
)

const (
	validScrypt = `{"kdf":{"function":"scrypt","params":{"dklen":32,"n":4,"p":1,"r":8,"salt":"d4e5"},"message":""},` +
		`"checksum":{"function":"sha256","params":{},"message":"d2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484"},` +
		`"cipher":{"function":"aes-128-ctr","params":{"iv":"264daa3f303d7259501c93d997d84fe6"},"message":"06ae90d55fe0a6e9"}}`
	validPBKDF2 = `{"kdf":{"function":"pbkdf2","params":{"dklen":32,"c":4,"prf":"hmac-sha256","salt":"d4e5"},"message":""},` +
		`"checksum":{"function":"sha256","params":{},"message":"d2217fe5f3e9a1e34581ef8a78f7c9928e436d36dacc5e846690a5581e8ea484"},` +
		`"cipher":{"function":"aes-128-ctr","params":{"iv":"264daa3f303d7259501c93d997d84fe6"},"message":"06ae90d55fe0a6e9"}}`
)

func checksumOf(key, message []byte) (sum [sha256.Size]byte) {
	kdf.SHA256(sum[:], key[16:], message)
	return sum
}

// TestUnmarshalRefuses changes one thing of a valid object at a time.
func TestUnmarshalRefuses(t *testing.T) {
	for _, c := range []struct{ base, old, new, want string }{
		{validScrypt, `"function":"scrypt"`, `"function":"pbkdf3"`, `kdf.function is "pbkdf3", expected "scrypt" or "pbkdf2"`},
		{validScrypt, `"function":"scrypt"`, `"function":"Scrypt"`, `kdf.function is "Scrypt", expected "scrypt" or "pbkdf2"`},
		{validScrypt, `"function":"scrypt"`, `"function":"pbkdf2"`, `is an unknown key`},
		{validScrypt, `"function":"scrypt",`, ``, `kdf.function is missing`},
		{validScrypt, `"function":"scrypt"`, `"function":null`, `kdf.function is not a string`},
		{validScrypt, `"function":"scrypt"`, `"function":7`, `kdf.function is not a string`},
		{validScrypt, `"message":""`, `"message":"00"`, `kdf.message is not empty`},
		{validScrypt, `"message":""`, `"hint":""`, `kdf.hint is an unknown key`},
		{validScrypt, `"dklen":32`, `"dklen":16`, `kdf.params.dklen is 16, expected 32`},
		{validScrypt, `"dklen":32`, `"dklen":64`, `kdf.params.dklen is 64, expected 32`},
		{validScrypt, `"dklen":32,`, ``, `kdf.params.dklen is missing`},
		{validScrypt, `"salt":"d4e5"`, `"salt":""`, `kdf.params.salt is empty`},
		{validScrypt, `"salt":"d4e5"`, `"salt":"d4e"`, `kdf.params.salt is not hex, or of an odd number of digits`},
		{validScrypt, `"salt":"d4e5"`, `"salt":"zz"`, `kdf.params.salt is not hex`},
		{validScrypt, `"salt":"d4e5"`, `"salt":[1]`, `kdf.params.salt is not a string`},
		{validScrypt, `,"salt":"d4e5"`, ``, `kdf.params.salt is missing`},
		{validScrypt, `,"salt":"d4e5"`, `,"salt":"d4e5","more":1`, `kdf.params.more is an unknown key`},
		{validScrypt, `"n":4`, `"n":3`, `kdf.params.n is 3, expected a power of two above 1`},
		{validScrypt, `"n":4`, `"n":1`, `kdf.params.n is 1, expected a power of two above 1`},
		{validScrypt, `"n":4`, `"n":0`, `kdf.params.n is 0, expected a power of two above 1`},
		{validScrypt, `"n":4`, `"n":-4`, `kdf.params.n is not a whole number`},
		{validScrypt, `"n":4`, `"n":4.5`, `kdf.params.n is not a whole number`},
		{validScrypt, `"n":4`, `"n":1e400`, `kdf.params.n is not a whole number`},
		{validScrypt, `"n":4`, `"n":"four"`, `kdf.params.n is not a whole number`},
		{validScrypt, `"n":4`, `"n":null`, `kdf.params.n is not a whole number`},
		{validScrypt, `"n":4`, `"n":[4]`, `kdf.params.n is not a whole number`},
		{validScrypt, `"n":4,`, ``, `kdf.params.n is missing`},
		{validScrypt, `"n":4`, `"n":2097152`, `kdf.params.n is 2097152 with r 8 and p 1: that takes more than 1 GiB`},
		{validScrypt, `"n":4`, `"n":4503599627370496`, `kdf.params.n is 4503599627370496 with r 8 and p 1: that takes more than 1 GiB`},
		{validScrypt, `"n":4`, `"n":9007199254740992`, `kdf.params.n is not a whole number from 0 to 2^53-1`},
		{validScrypt, `"n":4`, `"n":4,"n":4`, `crypto has the key "n" twice`},
		{validScrypt, `"n":4`, `"n":4,"\u006e":8`, `crypto has the key "n" twice`},
		{validScrypt, `"n":4`, `"N":4`, `kdf.params.N is an unknown key`},
		{validScrypt, `"r":8`, `"r":0`, `kdf.params.r is 0, expected at least 1`},
		{validScrypt, `"r":8`, `"r":4503599627370496`, `that takes more than 1 GiB`},
		{validScrypt, `"p":1`, `"p":0`, `kdf.params.p is 0, expected at least 1`},
		{validScrypt, `"p":1`, `"p":1073741824`, `that takes more than 1 GiB`},
		{validScrypt, `"n":4,"p":1`, `"n":262144,"p":33`, `kdf.params.p is 33 with n 262144 and r 8: that takes more than 32 times the usual work`},
		{validPBKDF2, `"c":4`, `"c":0`, `kdf.params.c is 0, expected 1 to 100000000`},
		{validPBKDF2, `"c":4`, `"c":100000001`, `kdf.params.c is 100000001, expected 1 to 100000000`},
		{validPBKDF2, `"c":4,`, ``, `kdf.params.c is missing`},
		{validPBKDF2, `hmac-sha256`, `hmac-sha512`, `kdf.params.prf is "hmac-sha512", expected "hmac-sha256"`},
		{validPBKDF2, `"prf":"hmac-sha256",`, ``, `kdf.params.prf is missing`},
		{validPBKDF2, `{"dklen":32,"c":4,"prf":"hmac-sha256","salt":"d4e5"}`, `null`, `kdf.params is not a JSON object`},
		{validPBKDF2, `"params":{"dklen":32,"c":4,"prf":"hmac-sha256","salt":"d4e5"},`, ``, `kdf.params is missing`},
		{validPBKDF2, `"kdf":`, `"KDF":`, `kdf is missing`},
		{validScrypt, `"function":"sha256"`, `"function":"sha128"`, `checksum.function is "sha128", expected "sha256"`},
		{validScrypt, `"params":{},`, `"params":{"a":1},`, `checksum.params.a is an unknown key`},
		{validScrypt, `"params":{},`, `"params":[],`, `checksum.params is not a JSON object`},
		{validScrypt, `"d221`, `"`, `checksum.message has 30 bytes, expected 32`},
		{validScrypt, `"d221`, `"00d221`, `checksum.message has 33 bytes, expected 32`},
		{validScrypt, `"checksum":`, `"Checksum":`, `checksum is missing`},
		{validScrypt, `aes-128-ctr`, `aes-256-ctr`, `cipher.function is "aes-256-ctr", expected "aes-128-ctr"`},
		{validScrypt, `"iv":"26`, `"iv":"`, `cipher.params.iv has 15 bytes, expected 16`},
		{validScrypt, `"iv":"26`, `"iv":"0026`, `cipher.params.iv has 17 bytes, expected 16`},
		{validScrypt, `"params":{"iv":"264daa3f303d7259501c93d997d84fe6"},`, ``, `cipher.params is missing`},
		{validScrypt, `"06ae90d55fe0a6e9"`, `""`, `cipher.message is empty`},
		{validScrypt, `"cipher":{`, `"cipher":{"aad":"",`, `cipher.aad is an unknown key`},
		{validScrypt, `"cipher":`, `"kdf":{},"cipher":`, `crypto has the key "kdf" twice`},
		{validScrypt, validScrypt, `null`, `crypto is not a JSON object`},
		{validScrypt, validScrypt, `[]`, `crypto is not a JSON object`},
		{validScrypt, validScrypt, "{\"\xff\":1}", `crypto is not UTF-8`},
	} {
		require.Contains(t, c.base, c.old)
		changed := strings.Replace(c.base, c.old, c.new, 1)
		err := new(Crypto).UnmarshalJSON([]byte(changed))
		require.ErrorContains(t, err, c.want, "%s -> %s", c.old, c.new)
		require.True(t, strings.HasPrefix(err.Error(), "eip2335: "), err)
	}
	for _, text := range []string{"", "{", validScrypt + "x", validScrypt + validScrypt} {
		require.ErrorContains(t, new(Crypto).UnmarshalJSON([]byte(text)), "eip2335: crypto is not one JSON value: fault at byte ")
	}
}

// TestUnmarshalTolerates reads what deviates from the standard and is still clear.
func TestUnmarshalTolerates(t *testing.T) {
	var want Crypto
	require.NoError(t, json.Unmarshal([]byte(validScrypt), &want))
	for _, c := range []struct{ old, new string }{
		{`"n":4`, `"n":"4"`},
		{`"n":4`, `"n":4.0`},
		{`"n":4`, `"n":4e0`},
		{`"salt":"d4e5"`, `"salt":"0xD4E5"`},
		{`"264daa3f`, `"0x264DAA3F`},
		{`"06ae90d5`, `"0x06AE90d5`},
		{`"d2217fe5`, `"D2217FE5`},
		{`,"message":""`, ``},
		{`,"message":""`, `,"message":null`},
		{`"params":{},`, ``},
		{`"params":{},`, `"params":null,`},
		{`"cipher":`, `"pubkey":"an SSV operator's","cipher":`},
	} {
		require.Contains(t, validScrypt, c.old)
		var got Crypto
		require.NoError(t, json.Unmarshal([]byte(strings.Replace(validScrypt, c.old, c.new, 1)), &got), c.new)
		require.Equal(t, want, got, c.new)
	}
}

// TestLimits accepts the most expensive parameters that may be read.
func TestLimits(t *testing.T) {
	for _, change := range []struct{ base, old, new string }{
		{validScrypt, `"n":4,"p":1`, `"n":1048576,"p":1`},
		{validScrypt, `"n":4,"p":1`, `"n":262144,"p":32`},
		{validPBKDF2, `"c":4`, `"c":100000000`},
	} {
		require.NoError(t, new(Crypto).UnmarshalJSON([]byte(strings.Replace(change.base, change.old, change.new, 1))))
	}
}

// FuzzUnmarshal holds that what parses is written in a form that parses to the same, and that decrypting does not panic.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(validScrypt))
	f.Add([]byte(validPBKDF2))
	f.Add([]byte(strings.Replace(validScrypt, `"n":4`, `"n":"0x4"`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c, again Crypto
		if c.UnmarshalJSON(b) != nil {
			return
		}
		encoded, err := c.MarshalJSON()
		require.NoError(t, err)
		require.NoError(t, again.UnmarshalJSON(encoded))
		require.Equal(t, c, again)
		if c.n*c.r*c.p+c.c < 1<<10 {
			plain, err := c.Decrypt([]byte("password"))
			if err == nil {
				require.Equal(t, c.Len(), plain.Len())
			} else {
				require.ErrorIs(t, err, ErrPassword)
			}
		}
	})
}
