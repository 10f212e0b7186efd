package hsmtest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

func testInfo(t *testing.T, s *suite) {
	info := s.backend(t).Info()
	require.NotEmpty(t, info.Kind)
	require.GreaterOrEqual(t, info.Protection, hsm.Enveloped)
	require.LessOrEqual(t, info.Protection, hsm.Native)
}

func testGenerate(t *testing.T, s *suite) {
	b := s.backend(t)
	require.Empty(t, list(t, b), "the backend that open returns has to be empty")
	first, second := generate(t, b, ""), generate(t, b, "")
	require.NotEqual(t, first.PublicKey(), second.PublicKey(), "without a label every key is new")
	requireSigns(t, first)
	requireSigns(t, second)
	require.ElementsMatch(t, []keyshare.PublicKey{first.PublicKey(), second.PublicKey()}, list(t, b))
}

func testGenerateWithLabel(t *testing.T, s *suite) {
	b := s.backend(t)
	longest := strings.Repeat("~", hsm.MaxLabel)
	seen := map[keyshare.PublicKey]bool{}
	labels := []string{"a", "a ", "A", "batch 7/validator 3", " ", longest, longest[1:]}
	for _, label := range labels {
		k := generate(t, b, label)
		require.False(t, seen[k.PublicKey()], "label %q", label)
		seen[k.PublicKey()] = true
		again := generate(t, b, label)
		require.Equal(t, k.PublicKey(), again.PublicKey(), "label %q", label)
		requireSigns(t, again)
	}
	require.Len(t, list(t, b), len(labels))
}

func testGenerateAtOnce(t *testing.T, s *suite) {
	b := s.backend(t)
	for _, label := range []string{"one", "two"} {
		keys := make([]keyshare.PublicKey, 12)
		var done sync.WaitGroup
		for i := range keys {
			done.Go(func() {
				k, err := b.Generate(t.Context(), label)
				if err != nil {
					t.Errorf("call %d: %v", i, err)
					return
				}
				keys[i] = k.PublicKey()
			})
		}
		done.Wait()
		for _, pk := range keys {
			require.Equal(t, keys[0], pk, "calls with one label at the same time return one key")
		}
	}
	require.Len(t, list(t, b), 2)
}

func testBadLabel(t *testing.T, s *suite) {
	b := s.backend(t)
	for _, label := range []string{strings.Repeat("a", hsm.MaxLabel+1), "a\nb", "a\x00", "é", "\x7f", "\xff"} {
		_, err := b.Generate(t.Context(), label)
		require.ErrorContains(t, err, "label", "%q", label)
		_, err = b.Import(t.Context(), label, newSecret(t))
		require.ErrorContains(t, err, "label", "%q", label)
	}
	require.Empty(t, list(t, b))
}

func testSign(t *testing.T, s *suite) {
	k := generate(t, s.backend(t), "")
	sigs, err := k.SignRoots(t.Context())
	require.NoError(t, err)
	require.Empty(t, sigs, "no roots, no signatures")

	roots := make([]keyshare.Root, 40)
	for i := range roots {
		roots[i] = keyshare.Root{byte(i / 2), 7} // each one twice
	}
	sigs, err = k.SignRoots(t.Context(), roots...)
	require.NoError(t, err)
	require.Len(t, sigs, len(roots))
	for i := range roots {
		require.True(t, k.PublicKey().Verify(roots[i], sigs[i]), "signature %d is of root %d", i, i)
		require.Equal(t, sigs[i-i%2], sigs[i], "signatures are deterministic")
	}
}

func testSignUntilCancelled(t *testing.T, s *suite) {
	k := generate(t, s.backend(t), "")
	roots := make([]keyshare.Root, 100_000) // half a minute's work
	for i := range roots {
		roots[i] = keyshare.Root{byte(i), byte(i >> 8), byte(i >> 16)}
	}
	start := time.Now()
	_, err := k.SignRoots(t.Context(), roots[:100]...)
	require.NoError(t, err)
	all := time.Since(start) * time.Duration(len(roots)/100) // on this machine, as busy as it is
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start = time.Now()
	sigs, err := k.SignRoots(ctx, roots...)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, sigs)
	require.Less(t, time.Since(start), all/4, "SignRoots honours its context between roots")
	requireSigns(t, k)
}

func testOpen(t *testing.T, s *suite) {
	b := s.backend(t)
	k := generate(t, b, "x")
	opened, err := b.Open(t.Context(), k.PublicKey())
	require.NoError(t, err)
	require.Equal(t, k.PublicKey(), opened.PublicKey())
	requireSigns(t, opened)

	unknown := newSecret(t).PublicKey()
	for _, pk := range []keyshare.PublicKey{unknown, {}} {
		_, err = b.Open(t.Context(), pk)
		require.ErrorIs(t, err, hsm.ErrNotFound)
		require.ErrorIs(t, b.Delete(t.Context(), pk), hsm.ErrNotFound)
	}
	require.ElementsMatch(t, []keyshare.PublicKey{k.PublicKey()}, list(t, b))
}

func testListMany(t *testing.T, s *suite) {
	b := s.backend(t)
	n := s.options.Keys
	made := make([]keyshare.PublicKey, n)
	next := make(chan int)
	var done sync.WaitGroup
	for range 8 {
		done.Go(func() {
			for i := range next {
				k, err := b.Generate(t.Context(), "")
				if err != nil {
					t.Errorf("key %d: %v", i, err)
					continue
				}
				made[i] = k.PublicKey()
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	done.Wait()
	require.ElementsMatch(t, made, list(t, b))

	for _, err := range b.List(t.Context()) {
		require.NoError(t, err)
		break
	}
	generate(t, b, "") // a loop that was left holds nothing up
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	listed := 0
	for _, err := range b.List(ctx) {
		if listed++; listed == 2 {
			cancel()
		}
		require.LessOrEqual(t, listed, n)
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			return
		}
	}
	t.Error("List did not notice that its context was cancelled")
}

func testListWhileDeleting(t *testing.T, s *suite) {
	b := s.backend(t)
	for range 20 {
		generate(t, b, "")
	}
	for pk, err := range b.List(t.Context()) {
		require.NoError(t, err)
		require.NoError(t, b.Delete(t.Context(), pk))
	}
	require.Empty(t, list(t, b))
}

func testDelete(t *testing.T, s *suite) {
	b := s.backend(t)
	gone, stays := generate(t, b, "gone"), generate(t, b, "stays")
	require.NoError(t, b.Delete(t.Context(), gone.PublicKey()))
	_, err := b.Open(t.Context(), gone.PublicKey())
	require.ErrorIs(t, err, hsm.ErrNotFound)
	require.ErrorIs(t, b.Delete(t.Context(), gone.PublicKey()), hsm.ErrNotFound)
	_, err = gone.SignRoots(t.Context(), keyshare.Root{})
	require.ErrorIs(t, err, hsm.ErrNotFound, "a key that is deleted while open signs no more")
	to, _ := operators(t)
	_, _, err = gone.Split(t.Context(), 3, to)
	require.ErrorIs(t, err, hsm.ErrNotFound)

	requireSigns(t, stays)
	require.ElementsMatch(t, []keyshare.PublicKey{stays.PublicKey()}, list(t, b))
	require.NotEqual(t, gone.PublicKey(), generate(t, b, "gone").PublicKey(), "the label is free again")
}

func testReopen(t *testing.T, s *suite) {
	if s.options.Reopen == nil {
		t.Skip("no Options.Reopen")
	}
	b := s.open(t)
	labelled, unlabelled, deleted := generate(t, b, "label"), generate(t, b, ""), generate(t, b, "deleted")
	secret := newSecret(t)
	_, err := b.Import(t.Context(), "imported", secret)
	require.NoError(t, err)
	require.NoError(t, b.Delete(t.Context(), deleted.PublicKey()))
	want := sign(t, labelled, keyshare.Root{9})

	info := b.Info()
	b = s.options.Reopen(t, b)
	defer func() { require.NoError(t, b.Close()) }()
	require.Equal(t, info, b.Info())
	require.ElementsMatch(t, []keyshare.PublicKey{labelled.PublicKey(), unlabelled.PublicKey(), secret.PublicKey()}, list(t, b))
	for _, pk := range list(t, b) {
		k, err := b.Open(t.Context(), pk)
		require.NoError(t, err)
		require.Equal(t, pk, k.PublicKey())
		requireSigns(t, k)
	}
	again := generate(t, b, "label")
	require.Equal(t, labelled.PublicKey(), again.PublicKey(), "labels persist")
	require.Equal(t, want, sign(t, again, keyshare.Root{9}))
	require.NotEqual(t, deleted.PublicKey(), generate(t, b, "deleted").PublicKey())
}

func testConcurrent(t *testing.T, s *suite) {
	b := s.backend(t)
	shared := generate(t, b, "shared")
	to, _ := operators(t)
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			for range 3 {
				k, err := b.Generate(t.Context(), "")
				if err != nil {
					t.Error(err)
					return
				}
				opened, err := b.Open(t.Context(), k.PublicKey())
				if err == nil {
					err = hsm.TestSign(t.Context(), opened)
				}
				if err == nil {
					err = hsm.TestSign(t.Context(), shared)
				}
				if err == nil && !s.options.NoSplit {
					_, _, err = opened.Split(t.Context(), 3, to)
				}
				for _, listErr := range b.List(t.Context()) {
					if listErr != nil {
						err = listErr
					}
				}
				if err == nil {
					err = b.Delete(t.Context(), k.PublicKey())
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	done.Wait()
	require.ElementsMatch(t, []keyshare.PublicKey{shared.PublicKey()}, list(t, b))
}

func testCancelled(t *testing.T, s *suite) {
	b := s.backend(t)
	k := generate(t, b, "x")
	ctx := cancelled(t)
	to, _ := operators(t)
	_, err := b.Generate(ctx, "y")
	require.ErrorIs(t, err, context.Canceled)
	_, err = b.Import(ctx, "z", newSecret(t))
	require.ErrorIs(t, err, context.Canceled)
	_, err = b.Open(ctx, k.PublicKey())
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, b.Delete(ctx, k.PublicKey()), context.Canceled)
	_, err = k.SignRoots(ctx, keyshare.Root{1})
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = k.Split(ctx, 3, to)
	require.ErrorIs(t, err, context.Canceled)
	for _, err = range b.List(ctx) {
	}
	require.ErrorIs(t, err, context.Canceled)
	require.ElementsMatch(t, []keyshare.PublicKey{k.PublicKey()}, list(t, b), "nothing was made or deleted")
}

func testClosed(t *testing.T, s *suite) {
	b := s.open(t)
	k := generate(t, b, "x")
	require.NoError(t, b.Close())
	require.NoError(t, b.Close(), "a second Close does nothing")
	to, _ := operators(t)
	for _, label := range []string{"", "x", "y"} {
		_, err := b.Generate(t.Context(), label)
		require.ErrorIs(t, err, hsm.ErrClosed)
		_, err = b.Import(t.Context(), label, newSecret(t))
		require.ErrorIs(t, err, hsm.ErrClosed)
	}
	_, err := b.Open(t.Context(), k.PublicKey())
	require.ErrorIs(t, err, hsm.ErrClosed)
	require.ErrorIs(t, b.Delete(t.Context(), k.PublicKey()), hsm.ErrClosed)
	_, err = k.SignRoots(t.Context(), keyshare.Root{1})
	require.ErrorIs(t, err, hsm.ErrClosed)
	_, _, err = k.Split(t.Context(), 3, to)
	require.ErrorIs(t, err, hsm.ErrClosed)
	err = nil
	for _, err = range b.List(t.Context()) {
	}
	require.ErrorIs(t, err, hsm.ErrClosed)
	require.False(t, k.PublicKey().IsZero(), "a public key needs no backend")
	require.NotEmpty(t, b.Info().Kind)
}
