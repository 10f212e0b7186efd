package main

import (
	"bytes"
	"context"
	"crypto/rsa"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/dkg/transport"
	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/software"
	"github.com/claystack/dvkeys/internal/durable"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
)

// listenerFD is the file descriptor of the socket that an operator gets from the program
// that starts it, so that its address stays the same when it is started again.
const listenerFD = 3

// What an operator prints when it waits for a round, and when it has all.
const (
	waitsFor = "waits for"
	finished = "has the certificate of all"
)

// runOperator is one operator: it takes part in the ceremony, stores its results, and goes
// on to serve its messages until stdin ends, since others may still be asking for them.
func runOperator(ctx context.Context, args []string, stdin io.Reader, out io.Writer) (err error) {
	flags := flag.NewFlagSet("operator", flag.ContinueOnError)
	dir := flags.String("dir", "", "`folder` of the ceremony")
	number := flags.Uint64("id", 0, "the operator's `id`")
	peers := flags.String("peers", "", "`addresses` of the others, with commas between them")
	if err := flags.Parse(args); err != nil {
		return err
	}
	id := keyshare.Index(*number)
	say := func(format string, args ...any) {
		fmt.Fprintf(out, "operator %d "+format+"\n", append([]any{id}, args...)...)
	}
	defer func() {
		if err != nil {
			say("failed: %v", err)
		}
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // stdin ends with the program that started this one
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	b, err := os.ReadFile(filepath.Join(*dir, paramsFile))
	if err != nil {
		return err
	}
	params, err := dkg.ParseParams(b)
	if err != nil {
		return err
	}
	own := folder(*dir, id)
	identity, err := openIdentity(own)
	if err != nil {
		return err
	}
	// Here an operator that does not trust who proposed the ceremony compares what spec
	// says, and the keys of the others (Params.CheckKnown), with what it knows itself.
	agreed, err := spec(params)
	if err != nil {
		return err
	}
	roots, err := dvkeys.CeremonyRoots(agreed)
	if err != nil {
		return err
	}
	custody, err := software.Open(filepath.Join(own, custodyFile), software.PassphraseFile(filepath.Join(own, passphraseFile)), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, custody.Close()) }()

	client, stop, err := connect(*dir, params, id, strings.Split(*peers, ","))
	if err != nil {
		return err
	}
	defer stop()
	journal, err := dkg.OpenJournal(own, params.Session())
	if err != nil {
		return err
	}
	defer journal.Close()
	result, err := dkg.Run(ctx, dkg.Config{Params: params, ID: id, Identity: identity, Decrypter: identity, Roots: roots}, journal, keepIn(custody), client,
		&dkg.RunOptions{Progress: func(p dkg.Progress) {
			if len(p.Missing) > 0 {
				say(waitsFor+" the %s of %v", p.Round, p.Missing)
			}
			for _, why := range p.Ignored {
				say("ignores: %v", why)
			}
		}})
	if err != nil {
		return err
	}
	if len(result.Unacknowledged) > 0 {
		return fmt.Errorf("operators %v have not said that they have the certificate", result.Unacknowledged)
	}
	if err := errors.Join(store(own, transcriptFile, result.Transcript), store(own, certificateFile, result.Certificate)); err != nil {
		return err
	}
	say(finished)
	<-ctx.Done()
	return nil
}

// keepIn puts shares into a backend's custody.
func keepIn(b hsm.Backend) dkg.Custodian {
	return func(ctx context.Context, label string, share *keyshare.Share) (keyshare.Key, error) {
		return b.Import(ctx, label, share)
	}
}

// openIdentity opens the operator's RSA key. It could be in a token as well.
func openIdentity(dir string) (*rsa.PrivateKey, error) {
	sealed, err := os.ReadFile(filepath.Join(dir, identityFile))
	if err != nil {
		return nil, err
	}
	passphrase, err := software.PassphraseFile(filepath.Join(dir, passphraseFile))()
	if err != nil {
		return nil, err
	}
	defer secret.Wipe(passphrase)
	return ssv.OpenOperatorKey(sealed, passphrase)
}

// connect serves the operator's own messages and begins to read those of the others.
func connect(dir string, p *dkg.Params, id keyshare.Index, peers []string) (*transport.Client, func(), error) {
	mine, everybody, err := certificates(dir, p, id)
	if err != nil {
		return nil, nil, err
	}
	listener, err := net.FileListener(os.NewFile(listenerFD, "listener"))
	if err != nil {
		return nil, nil, err
	}
	mailbox := transport.NewMailbox(&transport.MailboxOptions{ReadOnly: true})
	server := &http.Server{Handler: mailbox, TLSConfig: transport.ServerTLS(mine, everybody)}
	go server.ServeTLS(listener, "", "") // ends when the server is closed
	client, err := transport.NewClient(p.Session(), transport.ClientTLS(mine, everybody), peers, &transport.ClientOptions{Own: mailbox})
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	return client, func() { _ = errors.Join(client.Close(), server.Close()) }, nil
}

// store writes a file that may be there already, with the same content.
func store(dir, name string, content []byte) error {
	path := filepath.Join(dir, name)
	err := durable.Create(path, content, 0o600)
	if errors.Is(err, fs.ErrExist) {
		var there []byte
		if there, err = os.ReadFile(path); err == nil && !bytes.Equal(there, content) {
			err = fmt.Errorf("%s exists with another content", path)
		}
	}
	return err
}
