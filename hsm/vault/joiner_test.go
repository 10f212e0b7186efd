package vault

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// counting is a joiner whose answers are the questions, and what requests it has made.
func counting(t *testing.T, most int) (j *joiner[int, int], made func() [][]int) {
	var mu sync.Mutex
	var requests [][]int
	j = &joiner[int, int]{window: 2 * time.Millisecond, most: most, ended: t.Context(), send: func(ctx context.Context, questions []int) ([]int, error) {
		mu.Lock()
		defer mu.Unlock()
		requests = append(requests, questions)
		return questions, ctx.Err()
	}}
	return j, func() [][]int {
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(requests)
	}
}

// TestJoiner has many ask within the window, of whom one does not wait, and others after it.
func TestJoiner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, made := counting(t, 1000)
		start := time.Now()
		for i := range 40 {
			go func() {
				time.Sleep(time.Duration(i) * 40 * time.Microsecond)
				if got, err := j.ask(t.Context(), i, 1); got != i || err != nil {
					t.Errorf("asked %d, got %d, %v", i, got, err)
				}
			}()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err := j.ask(ctx, 40, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, time.Millisecond, time.Since(start), "nobody waits longer than his own context")
		_, err = j.ask(t.Context(), 41, 1)
		require.NoError(t, err)
		require.Equal(t, 2*time.Millisecond, time.Since(start))
		require.Len(t, made(), 1)
		require.Len(t, made()[0], 42, "all in one request, that of him who left too")

		got, err := j.ask(t.Context(), 42, 1)
		require.NoError(t, err)
		require.Equal(t, 42, got)
		require.Equal(t, [][]int{{42}}, made()[1:])
	})
}

// TestJoinerIsLeft has everybody leave before the window ends: nothing of them is in a later request, and what was on its way
// is ended.
func TestJoinerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, made := counting(t, 1000)
		ctx, leave := context.WithCancel(t.Context())
		for i := range 3 {
			go func() { _, _ = j.ask(ctx, i, 1) }()
		}
		synctest.Wait()
		leave()
		synctest.Wait()
		_, err := j.ask(t.Context(), 3, 1)
		require.NoError(t, err)
		require.Equal(t, []int{3}, made()[len(made())-1])

		var ended error
		j.send = func(ctx context.Context, _ []int) ([]int, error) {
			<-ctx.Done()
			ended = ctx.Err()
			return nil, ended
		}
		ctx, leave = context.WithTimeout(t.Context(), time.Second)
		defer leave()
		_, err = j.ask(ctx, 4, 1)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		synctest.Wait()
		require.ErrorIs(t, ended, context.Canceled)
	})
}

// TestJoinerIsFull asks for more than fits into a request, and gets an error for the whole of one.
func TestJoinerIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, made := counting(t, 10)
		start := time.Now()
		for i, weight := range []int{6, 4, 7, 4} {
			go func() {
				if _, err := j.ask(t.Context(), i, weight); err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		require.Len(t, made(), 2, "full ones do not wait")
		require.Zero(t, time.Since(start))
		time.Sleep(j.window)
		require.Equal(t, [][]int{{0, 1}, {2}, {3}}, made())

		broken := errors.New("broken")
		j.send = func(context.Context, []int) ([]int, error) { return nil, broken }
		_, err := j.ask(t.Context(), 0, 1)
		require.ErrorIs(t, err, broken)
		j.send = func(context.Context, []int) ([]int, error) { return []int{1, 2}, nil }
		_, err = j.ask(t.Context(), 0, 1)
		require.ErrorContains(t, err, "2 results, asked for 1")
	})
}
