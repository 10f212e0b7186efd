package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/dkg"
)

// finish makes the files from what one operator has stored. It believes none of it: anybody
// can check transcript and certificate.
func finish(ctx context.Context, dir string, p *dkg.Params, out io.Writer) error {
	own := folder(dir, p.Operators[0].ID)
	transcript, err := os.ReadFile(filepath.Join(own, transcriptFile))
	if err != nil {
		return err
	}
	certificate, err := os.ReadFile(filepath.Join(own, certificateFile))
	if err != nil {
		return err
	}
	outcome, err := dkg.Verify(p, nil, transcript, certificate)
	if err != nil {
		return err
	}
	agreed, err := spec(p)
	if err != nil {
		return err
	}
	batch, err := dvkeys.FromCeremony(ctx, agreed, outcome)
	if err != nil {
		return err
	}
	paths, err := batch.WriteFiles(dir, nil)
	if err != nil {
		return err
	}
	if err := dvkeys.VerifyFiles(dir, &dvkeys.Expect{Network: agreed.Network, Owner: agreed.Owner, Nonce: &agreed.Nonce, Count: agreed.Count,
		Operators: agreed.Operators, Withdrawal: agreed.Withdrawal, Amount: batch.Spec.Amount}); err != nil {
		return fmt.Errorf("the files just written do not verify: %w", err)
	}
	fmt.Fprintf(out, "\n%d validators on %s whose keys nobody has, any %d of operators 11, 22, 33, 44 sign\n\n", len(batch.Validators), agreed.Network, p.Threshold)
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "nonce\tpublic key\tdeposit data root")
	for _, v := range batch.Validators {
		fmt.Fprintf(t, "%d\t%s\t%s\n", v.Nonce, v.PublicKey, v.Deposit.DataRoot())
	}
	t.Flush()
	fmt.Fprintf(out, "\ntranscript of %d bytes, certificate of %d, verified\n", len(transcript), len(certificate))
	for _, path := range paths {
		fmt.Fprintln(out, path)
	}
	fmt.Fprintln(out, "\nOwner and withdrawal address are examples: send nothing of this.")
	return nil
}
