package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// summarize prints what was made and where it is.
func summarize(out io.Writer, c *config, b *dvkeys.Batch, paths []string) {
	s := b.Spec
	ids := make([]string, len(s.Operators))
	for i, o := range s.Operators {
		ids[i] = fmt.Sprint(o.ID)
	}
	fmt.Fprintf(out, "\n%d validators on %s, any %d of operators %v sign, %s each to %s\n\n",
		len(b.Validators), s.Network, b.Validators[0].Group.Threshold(), ids, s.Network.FormatAmount(s.Amount), s.Withdrawal)

	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "nonce\tpublic key")
	for _, v := range b.Validators {
		fmt.Fprintf(t, "%d\t%s\n", v.Nonce, v.PublicKey)
	}
	t.Flush()
	fmt.Fprintln(out)

	fmt.Fprintln(t, "file\twhat it is")
	what := []string{"for the staking launchpad", "for the SSV web application or SDK", "calldata, targets and values, in the order of sending"}
	for i, path := range paths {
		fmt.Fprintf(t, "%s\t%s\n", path, what[i])
	}
	fmt.Fprintf(t, "%s\t%s\n", c.custody.place(), c.custody.holds())
	t.Flush()
	fmt.Fprintln(out, "\nAll of it was read back and verified.")
	if _, err := ssv.ContractOn(s.Network.Name()); err != nil {
		fmt.Fprintf(out, "SSV is not on %s: the transactions register nothing.\n", s.Network)
	}
	if len(c.examples) > 0 {
		fmt.Fprintf(out, "These are examples, not yours: %s. Send nothing of this.\n", strings.Join(c.examples, ", "))
	}
}
