package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// member is the client's view of a holder: a process that it has started, and a [signer.Signer].
type member struct {
	id     keyshare.Index
	dir    string
	diag   io.Writer
	client *http.Client
	public keyshare.PublicKey // of the share, once there is one

	process *exec.Cmd
}

var _ signer.Signer = (*member)(nil)

// start starts this program once more, as a holder.
func start(ctx context.Context, dir string, number int, diag io.Writer) (*member, error) {
	m := &member{id: keyshare.Index(number), dir: filepath.Join(dir, strconv.Itoa(number)), diag: diag}
	if err := os.Mkdir(m.dir, 0o700); err != nil {
		return nil, err
	}
	m.client = &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(m.dir, socketFile))
	}}}
	return m, m.restart(ctx)
}

// restart starts the holder's process on the files that it has, and waits until it can be asked.
func (m *member) restart(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env, cmd.Stderr = append(os.Environ(), holderVariable+"="+m.dir), m.diag
	if _, err := cmd.StdinPipe(); err != nil { // whose end is the holder's
		return err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	m.process = cmd
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		m.kill()
		return errors.Join(fmt.Errorf("holder %d did not start", m.id), context.Cause(ctx))
	}
	return nil
}

// kill ends the holder's process as a power failure would. Killing a dead one does nothing.
func (m *member) kill() {
	_ = m.process.Process.Kill()
	_ = m.process.Wait()
	m.client.CloseIdleConnections()
}

func (m *member) operator(ctx context.Context) (keyshare.Operator, error) {
	var o operator
	if err := m.ask(ctx, http.MethodGet, operatorPath, nil, &o); err != nil {
		return keyshare.Operator{}, err
	}
	public, err := x509.ParsePKIXPublicKey(o.PublicKey)
	if err != nil {
		return keyshare.Operator{}, fmt.Errorf("holder %d: %w", m.id, err)
	}
	key, ok := public.(*rsa.PublicKey)
	if !ok || o.ID != m.id {
		return keyshare.Operator{}, fmt.Errorf("holder %d says that it is %d with a %T", m.id, o.ID, public)
	}
	return keyshare.Operator{ID: o.ID, PublicKey: key}, nil
}

func (m *member) join(ctx context.Context, g *keyshare.Group, s keyshare.Sealed) error {
	m.public = s.PublicKey
	return m.ask(ctx, http.MethodPost, joinPath, invitation{g, s.PublicKey, s.Ciphertext}, nil)
}

// PublicKey implements [signer.Signer].
func (m *member) PublicKey() keyshare.PublicKey { return m.public }

// Sign implements [signer.Signer], for attestations.
func (m *member) Sign(ctx context.Context, duties ...signer.Duty) ([]signer.Result, error) {
	attestations := make([]signer.Attestation, len(duties))
	for i, d := range duties {
		a, ok := d.(signer.Attestation)
		if !ok {
			return nil, fmt.Errorf("holder %d: a %T, an attestation expected", m.id, d)
		}
		attestations[i] = a
	}
	var answers []answer
	if err := m.ask(ctx, http.MethodPost, signPath, attestations, &answers); err != nil {
		return nil, err
	}
	results := make([]signer.Result, len(answers))
	for i, a := range answers {
		results[i] = a.result()
	}
	return results, nil
}

// ask sends a request and decodes the response, if there is something to decode it into.
func (m *member) ask(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://holder"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := m.client.Do(request)
	if err != nil {
		return fmt.Errorf("holder %d: %w", m.id, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(response.Body, maxBody))
		return fmt.Errorf("holder %d: %s: %s", m.id, response.Status, strings.TrimSpace(string(text)))
	}
	if out == nil {
		return nil
	}
	return decode(response.Body, out)
}
