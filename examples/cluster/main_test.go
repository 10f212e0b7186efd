package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// The test program is a holder, too, where the program would be.
func TestMain(m *testing.M) {
	if os.Getenv(holderVariable) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestCluster(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out, diag bytes.Buffer
	require.NoError(t, run(t.Context(), nil, &out, &diag), "%s", &diag)
	text := out.String()
	require.Equal(t, 8, len(regexp.MustCompile(`(?m)^epoch 1000\d\d: signed and verified in`).FindAllString(text, -1)), text)
	for _, want := range []string{
		"holder 2 was killed\nepoch 100004: signed",
		"a second vote for epoch 100006, for another block, is refused: slashable\n",
		"holder 2 is back, process ",
		"holder 4 was killed\nepoch 100007: signed",
		"holder 1 was killed, too\nepoch 100009: not signed: holders [1 4] of 4 do not answer, 3 needed\n",
	} {
		require.Contains(t, text, want)
	}
	require.Empty(t, diag.String())
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// TestHolderRemembers kills every holder after a vote and asks all of them, started again, for a contradicting one.
func TestHolderRemembers(t *testing.T) {
	ctx, dir := t.Context(), socketDir(t)
	var members []*member
	for i := range holders {
		m, err := start(ctx, dir, i+1, io.Discard)
		require.NoError(t, err)
		t.Cleanup(m.kill)
		members = append(members, m)
	}
	_, err := members[0].Sign(ctx, attestation(7))
	require.ErrorContains(t, err, "no share yet")
	group, err := deal(ctx, members)
	require.NoError(t, err)
	err = members[0].join(ctx, group, keyshare.Sealed{PublicKey: members[0].public})
	require.ErrorContains(t, err, "has its share already")

	first := attestation(100_000)
	other := first
	other.BeaconBlockRoot[0]++
	for _, m := range members {
		result, err := sign(ctx, m, first)
		require.NoError(t, err)
		require.NoError(t, result.Err)
		root, err := signer.SigningRoot(network, first)
		require.NoError(t, err)
		require.True(t, m.PublicKey().Verify(root, result.Signature))

		m.kill()
		_, err = m.Sign(ctx, first)
		require.Error(t, err, "it is dead")
		m.kill()
		require.NoError(t, m.restart(ctx))
		result, err = sign(ctx, m, other)
		require.NoError(t, err)
		require.ErrorIs(t, result.Err, signer.ErrSlashable)
		require.True(t, result.Signature.IsZero())
		result, err = sign(ctx, m, first)
		require.NoError(t, err)
		require.NoError(t, result.Err, "the same again is harmless")
	}
	_, err = members[0].Sign(ctx, signer.Randao{Epoch: 1})
	require.ErrorContains(t, err, "an attestation expected")
	require.NoError(t, os.Remove(filepath.Join(members[0].dir, historyFile)))
	members[0].kill()
	require.ErrorContains(t, members[0].restart(ctx), "did not start", "its history is lost")
}

// socketDir returns a folder with a path short enough for a socket.
func socketDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "cluster")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

func TestServeRefuses(t *testing.T) {
	err := serve(context.Background(), filepath.Join(t.TempDir(), "three"), strings.NewReader(""), io.Discard)
	require.ErrorContains(t, err, "not named for its number")
}
