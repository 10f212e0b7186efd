// Cluster runs a validator whose key nobody keeps: four processes hold one share each, any three of them sign together,
// and they go on while one is killed, until only two are left.
//
//	go run ./examples/cluster
//
// Each holder has a key file, a history of what it signed (slashing protection), and a guard before its share. It was
// given its share sealed to its RSA key. The program that starts them is the validator's client: it has the public side
// of the group only, asks the holders over Unix sockets and combines what they sign.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

const (
	holders   = 4
	threshold = 3
)

// network is the chain of the duties. No node is asked: they are made up.
var network = signer.Hoodi

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer context.AfterFunc(ctx, stop)() // a second Ctrl-C does not wait
	var err error
	if dir := os.Getenv(holderVariable); dir != "" {
		err = serve(ctx, dir, os.Stdin, os.Stdout) // this process is a holder
	} else {
		err = run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// run is the program: what happens goes to out, help and the holders' complaints to diag.
func run(ctx context.Context, args []string, out, diag io.Writer) (err error) {
	f := flag.NewFlagSet("cluster", flag.ContinueOnError)
	f.SetOutput(diag)
	if err := f.Parse(args); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cluster") // with mode 0700: who can reach the sockets can have duties signed
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	var members []*member
	defer func() {
		for _, m := range members {
			m.kill()
		}
	}()
	complaints := &shared{w: diag}
	for i := range holders {
		m, err := start(ctx, dir, i+1, complaints)
		if err != nil {
			return err
		}
		members = append(members, m)
	}
	group, err := deal(ctx, members)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d holders run, processes %v; any %d of them sign for validator\n%v\n\n", holders, processes(members), threshold, group.PublicKey())
	return story(ctx, group, members, out)
}

// shared is a writer for several processes' output.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

func processes(members []*member) (ids []int) {
	for _, m := range members {
		ids = append(ids, m.process.Process.Pid)
	}
	return ids
}

// deal makes the validator's key, gives each holder a share of it, sealed, and wipes the key.
func deal(ctx context.Context, members []*member) (*keyshare.Group, error) {
	operators := make([]keyshare.Operator, len(members))
	for i, m := range members {
		var err error
		if operators[i], err = m.operator(ctx); err != nil {
			return nil, err
		}
	}
	key, err := keyshare.Generate()
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	ids := make([]keyshare.Index, len(operators))
	for i, o := range operators {
		ids[i] = o.ID
	}
	group, shares, err := keyshare.Split(key, threshold, ids)
	if err != nil {
		return nil, err
	}
	for i, s := range shares {
		defer s.Destroy()
		sealed, err := s.Seal(operators[i])
		if err != nil {
			return nil, err
		}
		if err := members[i].join(ctx, group, sealed); err != nil {
			return nil, err
		}
	}
	return group, nil
}

// story is what the cluster goes through.
func story(ctx context.Context, group *keyshare.Group, members []*member, out io.Writer) error {
	signers := map[keyshare.Index]signer.Signer{}
	for _, m := range members {
		signers[m.id] = m
	}
	quorum, err := signer.NewQuorum(network, group, signers)
	if err != nil {
		return err
	}
	epoch := uint64(100_000)
	vote := func(count int) error {
		for range count {
			epoch++
			began := time.Now()
			result, err := sign(ctx, quorum, attestation(epoch))
			if err := errors.Join(err, result.Err); err != nil {
				return fmt.Errorf("the attestation of epoch %d: %w", epoch, err)
			}
			fmt.Fprintf(out, "epoch %d: signed and verified in %.1f ms\n", epoch, time.Since(began).Seconds()*1000)
		}
		return nil
	}
	if err := vote(3); err != nil {
		return err
	}

	dead := members[1]
	dead.kill()
	fmt.Fprintf(out, "\nholder %d was killed\n", dead.id)
	if err := vote(3); err != nil {
		return err
	}

	second := attestation(epoch)
	_, _ = rand.Read(second.BeaconBlockRoot[:])
	result, err := sign(ctx, quorum, second)
	if err != nil {
		return err
	}
	if !errors.Is(result.Err, signer.ErrSlashable) {
		return fmt.Errorf("a second vote for epoch %d: %v, slashable expected", epoch, result.Err)
	}
	fmt.Fprintf(out, "\na second vote for epoch %d, for another block, is refused: slashable\n", epoch)

	if err := dead.restart(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nholder %d is back, process %d, with the share and the history of its files\n", dead.id, dead.process.Process.Pid)
	members[3].kill()
	fmt.Fprintf(out, "holder %d was killed\n", members[3].id)
	if err := vote(2); err != nil {
		return err
	}

	members[0].kill()
	fmt.Fprintf(out, "\nholder %d was killed, too\n", members[0].id)
	result, err = sign(ctx, quorum, attestation(epoch+1))
	if err != nil {
		return err
	}
	var short *signer.QuorumError
	if !errors.As(result.Err, &short) {
		return fmt.Errorf("the attestation of epoch %d by two holders: %v, a *signer.QuorumError expected", epoch+1, result.Err)
	}
	failed := slices.Sorted(maps.Keys(short.Failed))
	fmt.Fprintf(out, "epoch %d: not signed: holders %d of %d do not answer, %d needed\n", epoch+1, failed, len(members), short.Need)
	return nil
}

func sign(ctx context.Context, s signer.Signer, d signer.Duty) (signer.Result, error) {
	results, err := s.Sign(ctx, d)
	if err != nil {
		return signer.Result{}, err
	}
	return results[0], nil
}

// attestation makes up the vote of an epoch.
func attestation(epoch uint64) signer.Attestation {
	return signer.Attestation{
		Slot: 32 * epoch, BeaconBlockRoot: keyshare.Root{1},
		Source: signer.Checkpoint{Epoch: epoch - 1, Root: keyshare.Root{2}}, Target: signer.Checkpoint{Epoch: epoch, Root: keyshare.Root{3}},
	}
}
