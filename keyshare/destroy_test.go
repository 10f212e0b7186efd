package keyshare_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/shamir"
)

func TestDestroyNothing(t *testing.T) {
	require.NotPanics(t, func() {
		(*keyshare.SecretKey)(nil).Destroy()
		(*keyshare.Share)(nil).Destroy()
		(*shamir.Scalar)(nil).Destroy()
		shamir.Share{}.Destroy()
		k, err := keyshare.Generate()
		require.NoError(t, err)
		k.Destroy()
		k.Destroy()
	})
}
