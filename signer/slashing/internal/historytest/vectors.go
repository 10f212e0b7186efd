package historytest

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

type vectorFile struct {
	Name  string `json:"name"`
	Root  string `json:"genesis_validators_root"`
	Steps []struct {
		Succeeds    bool            `json:"should_succeed"`
		Interchange json.RawMessage `json:"interchange"`
		Blocks      []struct {
			vectorCheck
			Slot uint64 `json:"slot,string"`
		} `json:"blocks"`
		Attestations []struct {
			vectorCheck
			Source uint64 `json:"source_epoch,string"`
			Target uint64 `json:"target_epoch,string"`
		} `json:"attestations"`
	} `json:"steps"`
}

type vectorCheck struct {
	Key      keyshare.PublicKey `json:"pubkey"`
	Root     *string            `json:"signing_root"`
	Minimal  bool               `json:"should_succeed"`
	Complete *bool              `json:"should_succeed_complete"`
}

// vectors runs every file of the standard's suite. A step may hold slashable data: it has to be imported all the same.
func (s suite) vectors(t *testing.T) {
	checks := 0
	for _, path := range vectors.Files(t, "slashing/*.json") {
		if strings.HasPrefix(filepath.Base(path), "_") {
			continue
		}
		b, err := os.ReadFile(path)
		require.NoError(t, err)
		var f vectorFile
		require.NoError(t, json.Unmarshal(b, &f))
		t.Run(f.Name, func(t *testing.T) { checks += s.vector(t, f) })
	}
	require.Greater(t, checks, 90)
}

func (s suite) vector(t *testing.T, f vectorFile) (checks int) {
	store := s.open(t, parseRoot(t, f.Root), s.complete)
	unique := uint64(0)
	check := func(v vectorCheck, claim signer.Claim) {
		t.Helper()
		if unique++; v.Root == nil {
			claim.Root = Root(1<<63 | unique)
		} else {
			claim.Root = parseRoot(t, *v.Root)
		}
		want := v.Minimal
		if s.complete && v.Complete != nil {
			want = *v.Complete
		}
		require.Equal(t, want, granted(t, protect(store, claim)), "claim %d: %+v", unique, claim.Duty)
	}
	for _, step := range f.Steps {
		err := store.Import(context.Background(), step.Interchange)
		if !step.Succeeds {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		for _, b := range step.Blocks {
			check(b.vectorCheck, Block(b.Key, b.Slot, keyshare.Root{}))
		}
		for _, a := range step.Attestations {
			check(a.vectorCheck, Attestation(a.Key, a.Source, a.Target, keyshare.Root{}))
		}
	}
	return int(unique)
}

// files imports what another signer's tests use: a file with any fault leaves nothing behind.
func (s suite) files(t *testing.T) {
	root := parseRoot(t, "0x04700007fabc8282644aed6d1c7c9e21d38a03a0c4ba193f3afe428824b3a673")
	var key keyshare.PublicKey
	require.NoError(t, key.UnmarshalText([]byte("b845089a1457f811bfc000588fbb4e713669be8ce060ea6be3c6ece09afc3794106c91ca73acda5e5457122d58723bed")))
	for name, want := range map[string]string{
		"conflictingBlocks":                  "",
		"emptyDataArray":                     "",
		"slashingImport":                     "",
		"multipleNullSigningRootAttestation": "",
		"missingDataField":                   "data is missing",
		"errorInSecondValidator":             `data: 0: signed_attestations: 0: signing_root: is "0x123456", 0x and 64 hex digits expected`,
		"duplicateAttestation":               `signing_root: is "0x123456"`,
		"singleValidAttestation":             `signing_root: is "0x123456"`,
	} {
		store := s.open(t, root, s.complete)
		err := store.Import(context.Background(), vectors.Read(t, "interchange/web3signer_"+name+".json"))
		if want == "" {
			require.NoError(t, err, name)
			if name == "conflictingBlocks" {
				require.ErrorIs(t, protect(store, Block(key, 12345, Root(1))), signer.ErrSlashable)
			}
			continue
		}
		require.ErrorContains(t, err, want, name)
		require.NoError(t, protect(store, Block(key, 1, Root(1))), "%s: nothing of the file was taken", name)
	}
}

func parseRoot(t TB, s string) (r keyshare.Root) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(`"`+s+`"`), (*hexRoot)(&r)))
	return r
}

type hexRoot keyshare.Root

// UnmarshalText reads 0x and 64 hex digits.
func (r *hexRoot) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(strings.TrimPrefix(string(text), "0x"))
	if err == nil && copy(r[:], b) != len(r) {
		err = errors.New("32 bytes expected")
	}
	return err
}
