package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/keyshare"
)

// supervise runs the operators, each in a process of its own, until all have finished. One
// that dies by a signal is started again.
func supervise(ctx context.Context, dir string, p *dkg.Params, kill int, out io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var sockets []*os.File
	var addresses []string
	for range p.Operators {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close()
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			return err
		}
		defer f.Close()
		sockets, addresses = append(sockets, f), append(addresses, "https://"+l.Addr().String())
	}
	s := &supervisor{dir: dir, out: out, fail: cancel, allDone: make(chan struct{})}
	s.waiting.Add(len(p.Operators))
	go func() { s.waiting.Wait(); close(s.allDone) }()
	var all sync.WaitGroup
	for i, o := range p.Operators {
		var others []string
		for j, a := range addresses {
			if j != i {
				others = append(others, a)
			}
		}
		c := &child{supervisor: s, id: o.ID, socket: sockets[i], peers: strings.Join(others, ","), kill: kill == i+1}
		all.Go(func() {
			if err := c.run(ctx); err != nil {
				cancel(fmt.Errorf("operator %d: %w", c.id, err))
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

type supervisor struct {
	dir     string
	fail    context.CancelCauseFunc
	waiting sync.WaitGroup // for operators to finish
	allDone chan struct{}

	mu  sync.Mutex // one line at a time
	out io.Writer
}

func (s *supervisor) print(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(s.out, line)
}

// child is one operator's process, and the next one if that dies.
type child struct {
	*supervisor
	id     keyshare.Index
	socket *os.File
	peers  string
	kill   bool // still to be killed
	done   bool
}

// restarts bounds how often an operator is started again.
const restarts = 5

func (c *child) run(ctx context.Context) error {
	for range restarts {
		idle := c.done // it had finished before it was killed, and is told to go as soon as all have
		err := c.once(ctx)
		if idle && c.over() {
			return nil
		}
		var exit *exec.ExitError
		if ctx.Err() != nil || !errors.As(err, &exit) || exit.Exited() { // it ended by itself
			return err
		}
		c.print(fmt.Sprintf("operator %d was killed, and is started again", c.id))
	}
	return fmt.Errorf("was killed %d times", restarts)
}

// over reports whether all operators have finished.
func (s *supervisor) over() bool {
	select {
	case <-s.allDone:
		return true
	default:
		return false
	}
}

// once runs the process until it ends.
func (c *child) once(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self, asOperator, "-dir", c.dir, "-id", fmt.Sprint(c.id), "-peers", c.peers)
	cmd.ExtraFiles = []*os.File{c.socket}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	c.print(fmt.Sprintf("operator %d runs as process %d", c.id, cmd.Process.Pid))
	ended := make(chan struct{})
	defer close(ended)
	go func() { // the end of stdin tells it to go
		select {
		case <-c.allDone:
		case <-ended:
		}
		stdin.Close()
	}()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		c.print(lines.Text())
		if c.kill && strings.Contains(lines.Text(), waitsFor) && !strings.Contains(lines.Text(), dkg.RoundHello.String()) { // it has dealt
			c.kill = false
			if err := cmd.Process.Kill(); err != nil {
				return err
			}
		}
		if !c.done && strings.HasSuffix(lines.Text(), finished) {
			c.done = true
			c.waiting.Done()
		}
	}
	return cmd.Wait()
}
