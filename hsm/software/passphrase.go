package software

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/secret"
)

// Passphrase supplies a passphrase when it is needed: from a file, a prompt, a secrets manager. The bytes that it
// returns are used as they are, with no normalization of Unicode, and are wiped after use.
type Passphrase func() ([]byte, error)

// ErrPassphrase: the passphrase does not open the file. It wraps hsm.ErrAuth.
var ErrPassphrase = fmt.Errorf("software: wrong passphrase: %w", hsm.ErrAuth)

// maxPassphrase bounds what is read from a passphrase file, in bytes.
const maxPassphrase = 4096

// PassphraseFile reads the passphrase from a file of at most 4096 bytes, without one newline (LF or CR LF) at its end. A
// file that others than its owner and group can read is refused; so is an empty passphrase.
func PassphraseFile(path string) Passphrase {
	return func() ([]byte, error) {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("software: passphrase file: %w", err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return nil, fmt.Errorf("software: passphrase file: %w", err)
		}
		if mode := info.Mode().Perm(); mode&0o004 != 0 {
			return nil, fmt.Errorf("software: passphrase file %s has mode %04o and everybody can read it, expected 0600: chmod o= %s", path, mode, path)
		}
		b := make([]byte, maxPassphrase+1) // not grown while it is read, which would leave copies
		n, err := io.ReadFull(file, b)
		if err == nil {
			secret.Wipe(b)
			return nil, fmt.Errorf("software: passphrase file %s has more than %d bytes", path, maxPassphrase)
		}
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			secret.Wipe(b)
			return nil, fmt.Errorf("software: passphrase file: %w", err)
		}
		line, found := bytes.CutSuffix(b[:n], []byte("\n"))
		if found {
			line = bytes.TrimSuffix(line, []byte("\r"))
		}
		return line, nil
	}
}

// derive calls the passphrase function and derives the key that encrypts the data key.
func (p Passphrase) derive(c cost, salt []byte) (*secret.Key, error) {
	if p == nil {
		return nil, errors.New("software: no passphrase function given")
	}
	passphrase, err := p()
	defer secret.Wipe(passphrase)
	if err != nil {
		return nil, err
	}
	if len(passphrase) == 0 {
		return nil, errors.New("software: the passphrase is empty")
	}
	return c.derive(passphrase, salt)
}
