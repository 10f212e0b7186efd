package recent_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/recent"
)

func TestCache(t *testing.T) {
	made := 0
	c := &recent.Cache[int, int]{Size: 2, Make: func(k int) (int, error) {
		made++
		if k < 0 {
			return 0, errors.New("negative")
		}
		return k * k, nil
	}}
	get := func(k int) int {
		v, err := c.Get(k)
		require.NoError(t, err)
		return v
	}
	require.Equal(t, 9, get(3))
	require.Equal(t, 9, get(3))
	require.Equal(t, 1, made, "the second call is answered from memory")

	get(4)
	get(5) // 3 and 4 become the old generation
	get(3) // and 3 is used again
	require.Equal(t, 3, made)
	get(6) // 5 and 3 become the old generation: 4 is forgotten
	get(3)
	require.Equal(t, 4, made)
	get(4)
	require.Equal(t, 5, made)

	for range 2 {
		_, err := c.Get(-1)
		require.Error(t, err)
	}
	require.Equal(t, 7, made, "errors are not kept")
}
