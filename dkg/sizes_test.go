package dkg

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// PROTOCOL.md prints the sizes of what is sent: they are those of a ceremony.
func TestSizes(t *testing.T) {
	text, err := os.ReadFile("PROTOCOL.md")
	require.NoError(t, err)
	for _, n := range []int{4, 7, 10, 13} {
		w := newNet(t, generateParams(t, n, DefaultThreshold(n), 1), 1)
		w.run()
		o := w.requireSuccess()
		p := w.nodes[11].party
		size := func(r Round) int { return len(p.own(r).raw) }
		row := fmt.Sprintf("| %d / %d | %d | %d | %d | %d | %d | %d |", n, DefaultThreshold(n),
			size(RoundHello), size(RoundDeal), size(RoundConfirm), size(RoundAck), len(o.Transcript), len(o.Certificate))
		if !strings.Contains(string(text), row) {
			t.Errorf("PROTOCOL.md does not have the row\n%s", row)
		}
	}
}

// It has every code, too.
func TestCodes(t *testing.T) {
	text, err := os.ReadFile("PROTOCOL.md")
	require.NoError(t, err)
	for code := range codeTexts {
		require.Contains(t, string(text), "| "+code.String()[:3]+" |")
	}
	require.Equal(t, "B99, unknown", Code(99).String())
}
