package software_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/internal/keyfile"
	"github.com/claystack/dvkeys/keyshare"
)

// TestMovedRecords changes records with all checksums right, as somebody with access to the file can.
func TestMovedRecords(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.db")
	b, other := open(t, path), open(t, filepath.Join(dir, "other.db"))
	var records [3]keyfile.Record
	var keys [3]keyshare.PublicKey
	for i, from := range []*software.Backend{b, b, other} {
		k, err := from.Generate(t.Context(), string(rune('a'+i)))
		require.NoError(t, err)
		keys[i] = k.PublicKey()
	}
	read := func(path string, pk keyshare.PublicKey) keyfile.Record {
		f, err := keyfile.Open(path, "software")
		require.NoError(t, err)
		defer f.Close()
		r, err := f.Get(pk.Bytes())
		require.NoError(t, err)
		return r
	}
	require.NoError(t, b.Close())
	require.NoError(t, other.Close())
	records[0], records[1], records[2] = read(path, keys[0]), read(path, keys[1]), read(other.Info().Device, keys[2])

	for name, change := range map[string]func(*keyfile.Record){
		"another key's record":     func(r *keyfile.Record) { r.Sealed = records[1].Sealed },
		"another file's record":    func(r *keyfile.Record) { r.Sealed = records[2].Sealed },
		"under another label":      func(r *keyfile.Record) { r.Label = "c" },
		"without its label":        func(r *keyfile.Record) { r.Label = "" },
		"cut short":                func(r *keyfile.Record) { r.Sealed = r.Sealed[:39] },
		"cut by a byte":            func(r *keyfile.Record) { r.Sealed = r.Sealed[:len(r.Sealed)-1] },
		"with a byte changed":      func(r *keyfile.Record) { r.Sealed = bytes.Clone(r.Sealed); r.Sealed[50] ^= 1 },
		"under another public key": func(r *keyfile.Record) { r.PublicKey = records[2].PublicKey },
	} {
		f, err := keyfile.Open(path, "software")
		require.NoError(t, err)
		changed := records[0]
		change(&changed)
		require.NoError(t, f.Delete(records[0].PublicKey))
		require.NoError(t, f.Put(changed))
		require.NoError(t, f.Close())

		b := open(t, path)
		pk, err := keyshare.ParsePublicKey(changed.PublicKey[:])
		require.NoError(t, err)
		_, err = b.Open(t.Context(), pk)
		require.ErrorIs(t, err, hsm.ErrCorrupt, name)
		require.ErrorContains(t, err, pk.String()[:20], name)
		require.ErrorIs(t, b.DangerouslyExport(t.Context(), pk, func(keyshare.Secret) error {
			t.Errorf("%s: exported", name)
			return nil
		}), hsm.ErrCorrupt)
		if changed.Label != "" {
			_, err = b.Generate(t.Context(), changed.Label)
			require.ErrorIs(t, err, hsm.ErrCorrupt, name)
		}
		_, err = b.Open(t.Context(), keys[1])
		require.NoError(t, err, "the other key is as it was")
		require.NoError(t, b.Close())

		f, err = keyfile.Open(path, "software")
		require.NoError(t, err)
		require.NoError(t, f.Delete(changed.PublicKey))
		require.NoError(t, f.Put(records[0]))
		require.NoError(t, f.Close())
	}

	// The wrapped data key of one file does not open in another, though the passphrase is the same.
	f, err := keyfile.Open(other.Info().Device, "software")
	require.NoError(t, err)
	header, err := f.Header()
	require.NoError(t, err)
	require.NoError(t, f.Close())
	f, err = keyfile.Open(path, "software")
	require.NoError(t, err)
	require.NoError(t, f.SetHeader(header))
	require.NoError(t, f.Close())
	_, err = software.Open(path, pass("passphrase"), nil)
	require.ErrorIs(t, err, software.ErrPassphrase)
}

// TestDamagedFile cuts and flips bits in a file with twenty keys: each key either opens to the right key or is an error.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys.db")
	b := open(t, path)
	var keys []keyshare.PublicKey
	for i := range 20 {
		k, err := b.Generate(t.Context(), string(rune('a'+i)))
		require.NoError(t, err)
		keys = append(keys, k.PublicKey())
	}
	require.NoError(t, b.Close())
	original, err := os.ReadFile(path)
	require.NoError(t, err)

	damaged := func(content []byte) (accepted bool) {
		require.NoError(t, os.WriteFile(path, content, 0o600))
		b, err := software.Open(path, pass("passphrase"), nil)
		if err != nil {
			require.ErrorIs(t, err, hsm.ErrCorrupt)
			return false
		}
		defer b.Close()
		i := rand.IntN(len(keys))
		k, err := b.Open(t.Context(), keys[i])
		require.NoError(t, err)
		require.Equal(t, keys[i], k.PublicKey())
		require.NoError(t, hsm.TestSign(t.Context(), k))
		labelled, err := b.Generate(t.Context(), string(rune('a'+i)))
		require.NoError(t, err)
		require.Equal(t, keys[i], labelled.PublicKey())
		return true
	}
	require.True(t, damaged(original))
	for size := 0; size < len(original); size += 4096 {
		damaged(original[:size])
	}
	require.False(t, damaged(original[:3*4096]))
	refused := 0
	for range 400 {
		content := bytes.Clone(original)
		content[rand.IntN(len(content))] ^= 1 << rand.IntN(8)
		if !damaged(content) {
			refused++
		}
	}
	require.NotZero(t, refused)

	for _, content := range [][]byte{nil, []byte("keys"), bytes.Repeat([]byte{0}, 1<<16)} {
		require.False(t, damaged(content))
	}
}
