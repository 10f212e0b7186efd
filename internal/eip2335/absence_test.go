package eip2335

import (
	"bytes"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/internal/secret/memscan"
)

// TestNothingLeft encrypts and decrypts, and then looks for the secret, the password and the derived key in the memory of
// the process. It is in this file to run before the tests that use hundreds of megabytes, which would have to be searched.
func TestNothingLeft(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory can be searched on Linux only")
	}
	mask := func(b []byte) memscan.Pattern {
		p, err := memscan.Mask(b)
		require.NoError(t, err)
		return p
	}
	random, err := secret.Random(32)
	require.NoError(t, err)
	// A password of two words, the first in mathematical letters, so that it is normalised.
	password, err := secret.New(4*16 + 16)
	require.NoError(t, err)
	text := password.Bytes()
	for i, b := range random.Bytes()[:16] {
		copy(text[4*i:], "𝔞")
		text[4*i+3] += b % 26
		text[64+i] = 'a' + b%26
	}
	patterns := map[string]memscan.Pattern{
		"secret": mask(random.Bytes()), "password": mask(text[:64]), "normalised password": mask(text[64:]),
	}
	for name, o := range cheap {
		c, err := Encrypt(random.Bytes(), text, o)
		require.NoError(t, err)
		normalized, err := normalize(text)
		require.NoError(t, err)
		key, err := c.derive(normalized.Bytes())
		require.NoError(t, err)
		patterns["second half of the key of "+name] = mask(key.Bytes()[16:])
		normalized.Destroy()
		key.Destroy()
		plain, err := c.Decrypt(text)
		require.NoError(t, err)
		require.True(t, bytes.Equal(plain.Bytes(), random.Bytes()))
		plain.Destroy()
	}
	random.Destroy()
	password.Destroy()
	for name, p := range patterns {
		hits, err := memscan.Find(p)
		require.NoError(t, err)
		require.Empty(t, hits, name)
	}
}
