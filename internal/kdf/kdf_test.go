package kdf

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"hash"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/scrypt"
	"pgregory.net/rapid"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/internal/secret/memscan"
)

var hashes = map[string]func() hash.Hash{"sha256": sha256.New, "sha512": sha512.New}

func newMAC(t require.TestingT, h func() hash.Hash) *MAC {
	m, err := NewMAC(h)
	require.NoError(t, err)
	return m
}

// TestAgainstStandardLibrary compares HMAC, PBKDF2 and HKDF with the standard library's on random inputs, one MAC used
// for all of them in turn.
func TestAgainstStandardLibrary(t *testing.T) {
	for name, h := range hashes {
		t.Run(name, func(t *testing.T) {
			m := newMAC(t, h)
			defer m.Destroy()
			rapid.Check(t, func(t *rapid.T) {
				bytes := rapid.SliceOfN(rapid.Byte(), 0, 300)
				key, text, salt := bytes.Draw(t, "key"), bytes.Draw(t, "text"), bytes.Draw(t, "salt")

				std := hmac.New(h, key)
				std.Write(text)
				m.SetKey(key)
				for range 2 {
					m.Write(text)
					out := make([]byte, m.Size())
					m.Sum(out)
					require.Equal(t, std.Sum(nil), out)
				}

				n := rapid.IntRange(1, 200).Draw(t, "length")
				iterations := rapid.IntRange(1, 5).Draw(t, "iterations")
				out := make([]byte, n)
				m.PBKDF2(out, key, salt, iterations)
				want, err := pbkdf2.Key(h, string(key), salt, iterations, n)
				require.NoError(t, err)
				require.Equal(t, want, out)

				n = rapid.IntRange(1, 255*m.Size()).Draw(t, "expanded")
				out = make([]byte, n)
				m.HKDF(out, key, salt, text)
				want, err = hkdf.Key(h, key, salt, string(text), n)
				require.NoError(t, err)
				require.Equal(t, want, out)
			})
		})
	}
}

func TestScryptAgainstXCrypto(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.Byte(), 0, 100)
		password, salt := bytes.Draw(t, "password"), bytes.Draw(t, "salt")
		n := 2 << rapid.IntRange(0, 6).Draw(t, "log n")
		r := rapid.IntRange(1, 9).Draw(t, "r")
		p := rapid.IntRange(1, 3).Draw(t, "p")
		out := make([]byte, rapid.IntRange(1, 100).Draw(t, "length"))
		require.NoError(t, Scrypt(out, password, salt, n, r, p))
		want, err := scrypt.Key(password, salt, n, r, p, len(out))
		require.NoError(t, err)
		require.Equal(t, want, out)
	})
}

// TestScryptRFC7914 checks the test vectors of RFC 7914, section 12, that need at most 16 MiB.
func TestScryptRFC7914(t *testing.T) {
	for _, c := range []struct {
		password, salt string
		n, r, p        int
		want           string
	}{
		{"", "", 16, 1, 1, "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906"},
		{"password", "NaCl", 1024, 8, 16, "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640"},
		{"pleaseletmein", "SodiumChloride", 16384, 8, 1, "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"},
	} {
		out := make([]byte, 64)
		require.NoError(t, Scrypt(out, []byte(c.password), []byte(c.salt), c.n, c.r, c.p))
		require.Equal(t, c.want, hex.EncodeToString(out))
	}
}

func TestScryptRefuses(t *testing.T) {
	for _, c := range [][3]int{
		{0, 8, 1}, {1, 8, 1}, {3, 8, 1}, {-2, 8, 1}, {2, 0, 1}, {2, -1, 1}, {2, 8, 0}, {2, 8, -1},
		{1 << 21, 8, 1}, {1 << 62, 8, 1}, {2, 1 << 62, 1}, {2, 8, 1 << 62}, {2, 1 << 20, 1 << 20},
	} {
		require.ErrorContains(t, Scrypt(make([]byte, 32), nil, nil, c[0], c[1], c[2]), "is invalid or takes too much memory", "%v", c)
	}
}

// TestBudget shows that who asks for more than is left waits, and that memory comes back wiped.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(100)
		first, second := b.borrow(60), b.borrow(30)
		var large []byte
		go func() { large = b.borrow(50) }()
		synctest.Wait()
		require.Nil(t, large, "140 of 100 bytes are lent")

		copy(second, "secret")
		b.giveBack(second)
		require.Equal(t, make([]byte, 30), second)
		synctest.Wait()
		require.Nil(t, large, "110 of 100 bytes are lent")

		b.giveBack(first)
		synctest.Wait()
		require.Len(t, large, 50)
		require.Empty(t, b.idle, "what is of another size is not kept")

		small := b.borrow(30)
		b.giveBack(small)
		require.Same(t, &small[0], &b.borrow(30)[0], "memory is used again")
		b.giveBack(small)
		b.giveBack(large)
		require.Empty(t, b.idle, "nothing is kept when nobody uses any")
		require.Len(t, b.borrow(100), 100)
	})
}

func TestScryptSize(t *testing.T) {
	require.EqualValues(t, 256<<20+3*1024, ScryptSize(1<<18, 8, 1))
	require.EqualValues(t, 4, ScryptMemory/ScryptSize(1<<18, 8, 1), "usual keystores at a time")
}

// TestNothingLeft runs each function on secrets and then looks for them in the memory of the process.
func TestNothingLeft(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory can be searched on Linux only")
	}
	in, err := secret.Random(200)
	require.NoError(t, err)
	out, err := secret.New(64)
	require.NoError(t, err)
	var patterns []memscan.Pattern
	mask := func(b []byte) {
		p, err := memscan.Mask(b)
		require.NoError(t, err)
		patterns = append(patterns, p)
	}
	mask(in.Bytes()[:32])
	mask(in.Bytes()[168:])
	mask(in.Bytes()[100:140])
	plain := sha256.New()
	plain.Write(in.Bytes()[100:140])
	done := make(chan error)
	go func() {
		for _, h := range hashes {
			m, err := NewMAC(h)
			if err != nil {
				done <- err
				return
			}
			for _, key := range [][]byte{in.Bytes()[:32], in.Bytes()} {
				m.HKDF(out.Bytes(), key, []byte("salt"), nil)
				mask(out.Bytes()[:32])
				m.PBKDF2(out.Bytes(), key, []byte("salt"), 2)
				mask(out.Bytes()[:32])
			}
			m.Destroy()
		}
		err := Scrypt(out.Bytes(), in.Bytes(), []byte("salt"), 16, 8, 1)
		mask(out.Bytes()[:32])
		done <- err
	}()
	require.NoError(t, <-done)
	in.Destroy()
	out.Destroy()
	hits, err := memscan.Find(patterns[2])
	require.NoError(t, err)
	require.NotEmpty(t, hits, "what a hash was given and no block filled lies in its buffer")
	Erase(plain)
	for i, p := range patterns {
		hits, err := memscan.Find(p)
		require.NoError(t, err)
		require.Empty(t, hits, "secret %d", i)
	}
	runtime.KeepAlive(plain)
}

func BenchmarkScrypt(b *testing.B) {
	out := make([]byte, 32)
	b.Run("dvkeys", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			require.NoError(b, Scrypt(out, []byte("password"), out, 1<<18, 8, 1))
		}
	})
	b.Run("x-crypto", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, err := scrypt.Key([]byte("password"), out, 1<<18, 8, 1, 32)
			require.NoError(b, err)
		}
	})
}

func BenchmarkPBKDF2(b *testing.B) {
	out := make([]byte, 32)
	b.Run("dvkeys", func(b *testing.B) {
		m := newMAC(b, sha256.New)
		defer m.Destroy()
		for b.Loop() {
			m.PBKDF2(out, []byte("password"), out, 1<<18)
		}
	})
	b.Run("std", func(b *testing.B) {
		for b.Loop() {
			_, err := pbkdf2.Key(sha256.New, "password", out, 1<<18, 32)
			require.NoError(b, err)
		}
	})
}
