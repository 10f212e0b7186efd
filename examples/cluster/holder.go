package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
	"github.com/claystack/dvkeys/signer/slashing"
)

// holderVariable names the folder of a holder in the environment of its process. The folder is named for its number.
const holderVariable = "DVKEYS_EXAMPLE_HOLDER"

// The files of a holder, in its folder.
const (
	socketFile     = "socket"
	passphraseFile = "passphrase"
	keysFile       = "keys.db"    // the share, encrypted
	historyFile    = "history.db" // what the share has signed
	groupFile      = "group.json" // the public side of the group
)

// holder holds one share.
type holder struct {
	dir     string
	id      keyshare.Index
	keys    hsm.Backend
	history *slashing.Store

	mu      sync.Mutex
	decrypt crypto.Decrypter // the RSA key, until there is a share
	guard   *signer.Guard    // nil until then
}

// serve is the process of a holder. It says "ready" when it can be asked, and ends with its input: with the process that
// started it.
func serve(ctx context.Context, dir string, in io.Reader, out io.Writer) (err error) {
	id, err := strconv.ParseUint(filepath.Base(dir), 10, 64)
	if err != nil {
		return fmt.Errorf("the holder's folder %s is not named for its number", dir)
	}
	h := &holder{dir: dir, id: keyshare.Index(id)}
	if h.keys, err = openKeys(dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.keys.Close()) }()
	if h.history, err = openHistory(ctx, dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.history.Close()) }()
	if err := h.load(ctx); err != nil {
		return err
	}

	socket := filepath.Join(dir, socketFile)
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("GET "+operatorPath, handle(h.operator))
	mux.Handle("POST "+joinPath, handle(h.join))
	mux.Handle("POST "+signPath, handle(h.sign))
	server := &http.Server{Handler: mux}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	context.AfterFunc(ctx, func() { server.Close() })
	fmt.Fprintln(out, "ready")
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// openKeys opens the holder's key file; at its first start, a new one under a random passphrase.
func openKeys(dir string) (hsm.Backend, error) {
	path := filepath.Join(dir, passphraseFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		random := make([]byte, 24)
		rand.Read(random)
		if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(random)+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	return software.Open(filepath.Join(dir, keysFile), software.PassphraseFile(path), nil)
}

// openHistory opens the holder's history. It makes one only where there is no share yet: a lost history is not replaced
// by an empty one, with which the share could contradict itself.
func openHistory(ctx context.Context, dir string) (*slashing.Store, error) {
	path, chain := filepath.Join(dir, historyFile), network.GenesisValidatorsRoot()
	if _, err := os.Stat(filepath.Join(dir, groupFile)); errors.Is(err, fs.ErrNotExist) {
		if err := slashing.Create(path, chain, slashing.Complete); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return slashing.Open(ctx, path, chain, nil)
}

// load makes the guard if the holder has a share, and otherwise the RSA key that it will be sealed to.
func (h *holder) load(ctx context.Context) error {
	text, err := os.ReadFile(filepath.Join(h.dir, groupFile))
	if errors.Is(err, fs.ErrNotExist) {
		h.decrypt, err = rsa.GenerateKey(rand.Reader, 2048)
		return err
	}
	if err != nil {
		return err
	}
	group := new(keyshare.Group)
	if err := json.Unmarshal(text, group); err != nil {
		return err
	}
	public, ok := group.Member(h.id)
	if !ok {
		return fmt.Errorf("holder %d is not a member of its group", h.id)
	}
	key, err := h.keys.Open(ctx, public)
	if err != nil {
		return err
	}
	h.guard, err = signer.NewGuard(network, group.PublicKey(), key, h.history, nil)
	return err
}

func (h *holder) operator(*http.Request, struct{}) (operator, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.decrypt == nil {
		return operator{}, errors.New("the holder has its share already")
	}
	public, err := x509.MarshalPKIXPublicKey(h.decrypt.Public())
	return operator{h.id, public}, err
}

// join opens the share with the RSA key and puts it into the key file. The group is written last: with it the holder
// has joined.
func (h *holder) join(r *http.Request, in invitation) (struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.decrypt == nil {
		return struct{}{}, errors.New("the holder has its share already")
	}
	sealed := keyshare.Sealed{ID: h.id, PublicKey: in.PublicKey, Ciphertext: in.Sealed}
	share, err := keyshare.Open(sealed, h.id, h.decrypt, in.Group)
	if err != nil {
		return struct{}{}, err
	}
	defer share.Destroy()
	if _, err := h.keys.Import(r.Context(), "", share); err != nil {
		return struct{}{}, err
	}
	text, err := json.Marshal(in.Group)
	if err != nil {
		return struct{}{}, err
	}
	if err := os.WriteFile(filepath.Join(h.dir, groupFile), text, 0o600); err != nil {
		return struct{}{}, err
	}
	h.decrypt = nil
	return struct{}{}, h.load(r.Context())
}

func (h *holder) sign(r *http.Request, attestations []signer.Attestation) ([]answer, error) {
	h.mu.Lock()
	guard := h.guard
	h.mu.Unlock()
	if guard == nil {
		return nil, errors.New("the holder has no share yet")
	}
	duties := make([]signer.Duty, len(attestations))
	for i, a := range attestations {
		duties[i] = a
	}
	results, err := guard.Sign(r.Context(), duties...)
	if err != nil {
		return nil, err
	}
	answers := make([]answer, len(results))
	for i, result := range results {
		answers[i] = answerOf(result)
	}
	return answers, nil
}
