package dvkeys_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/killtest"
)

// TestKillAtEachWrite kills the process before each write, fsync, link and so on, from
// the making of the key file to the last of the published files, and starts it again.
func TestKillAtEachWrite(t *testing.T) {
	n := 1
	for ; ; n++ {
		require.Less(t, n, 1000)
		dir := killFolderFor(t)
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), killFolder+"="+dir)
		_, killed := killtest.Before(t, n, child)
		resume(t, dir)
		if !killed {
			break
		}
	}
	t.Logf("killed at %d places", n-1)
	require.Greater(t, n, 30, "more places than that change files")
}
