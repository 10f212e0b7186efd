package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/hsm/software"
)

// The operators are processes of this test's own program.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asOperator {
		main()
		return
	}
	os.Exit(m.Run())
}

// Four processes, one of which is killed in the middle, end with files that onboard
// accepts, and with shares in custody.
func TestCeremony(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	var out, diag bytes.Buffer
	err := run(t.Context(), []string{"-out", dir, "-kill", "3"}, &out, &diag)
	require.NoError(t, err, "%s%s", out.String(), diag.String())
	require.Contains(t, out.String(), "operator 33 was killed, and is started again")
	require.Contains(t, out.String(), "2 validators on hoodi")

	b, err := exec.CommandContext(t.Context(), "go", "run", "../onboard", "-verify", "-keys", "", "-out", dir, "-validators", "2").CombinedOutput()
	require.NoError(t, err, "%s", b)
	require.Contains(t, string(b), "verify and fit together")

	outcome := outcomeIn(t, dir)
	for _, o := range outcome.Params.Operators {
		own := folder(dir, o.ID)
		keys, err := software.Open(filepath.Join(own, custodyFile), software.PassphraseFile(filepath.Join(own, passphraseFile)), nil)
		require.NoError(t, err)
		for _, g := range outcome.Groups() {
			pk, _ := g.Member(o.ID)
			_, err := keys.Open(t.Context(), pk)
			require.NoError(t, err)
		}
		require.NoError(t, keys.Close())
	}
	require.ErrorIs(t, run(t.Context(), []string{"-out", dir}, &out, &diag), dvkeys.ErrOutput)
}

func outcomeIn(t *testing.T, dir string) *dkg.Outcome {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return b
	}
	p, err := dkg.ParseParams(read(paramsFile))
	require.NoError(t, err)
	o, err := dkg.Verify(p, nil, read(filepath.Join("operator-22", transcriptFile)), read(filepath.Join("operator-22", certificateFile)))
	require.NoError(t, err)
	return o
}

func TestFlags(t *testing.T) {
	var out, diag bytes.Buffer
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"extra"}, `unexpected argument "extra"`},
		{[]string{"-kill", "5"}, "-kill: 5, expected 1 to 4"},
		{[]string{"-validators", "0", "-out", t.TempDir()}, "0 keys, expected 1 to 4096"},
	} {
		require.ErrorContains(t, run(context.Background(), c.args, &out, &diag), c.want)
	}
}
