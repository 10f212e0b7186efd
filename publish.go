package dvkeys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/claystack/dvkeys/internal/durable"
	"github.com/claystack/dvkeys/internal/strictjson"
)

// pendingName holds the files that are being published. It comes first and goes
// last, so that whoever dies in between can be followed by another who finishes.
const pendingName = ".onboard-pending.json"

// transactionsName is the file that tells what to send.
const transactionsName = "transactions.json"

// pending is the content of that file.
type pending struct {
	Files []pendingFile `json:"files"` // in the order of writing
}

type pendingFile struct {
	Name    string `json:"name"`
	Content []byte `json:"content"`
}

// publish puts the files into dir, all or none: it records them durably, writes
// each, and removes the record.
func publish(dir string, files []pendingFile) error {
	b, err := json.Marshal(pending{files})
	if err != nil {
		return err
	}
	if err := durable.Create(filepath.Join(dir, pendingName), b, 0o600); err != nil {
		return err
	}
	_, err = finishPending(dir)
	return err
}

// finishPending writes the files of a record that was left behind and removes it.
// It returns their paths, or none if there is no record.
func finishPending(dir string) ([]string, error) {
	path := filepath.Join(dir, pendingName)
	b, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("dvkeys: %s: %w", path, err)
	}
	p, err := parsePending(b)
	if err != nil {
		return nil, fmt.Errorf("dvkeys: %s is damaged: %w", path, err)
	}
	var written []string
	for _, f := range p.Files {
		to := filepath.Join(dir, f.Name)
		err := durable.Create(to, f.Content, 0o400)
		if errors.Is(err, fs.ErrExist) {
			var there []byte
			if there, err = readFile(to); err == nil && !bytes.Equal(there, f.Content) {
				err = fmt.Errorf("dvkeys: %s exists with another content", to)
			}
		}
		if err != nil {
			return nil, err
		}
		written = append(written, to)
	}
	if err := durable.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // another process may finish the same
		return written, err
	}
	return written, nil
}

// parsePending reads what publish records. Nothing is written of a record that names
// a file outside the folder.
func parsePending(b []byte) (p pending, err error) {
	if err := strictjson.Decode(b, &p); err != nil {
		return p, err
	}
	for _, f := range p.Files {
		if !filepath.IsLocal(f.Name) || f.Name != filepath.Base(f.Name) || f.Name == "." {
			return p, fmt.Errorf("it names %q, a file outside the folder", f.Name)
		}
	}
	return p, nil
}

// output finds the published files in dir, sorted by kind: deposits, keyshares,
// transactions. A missing one is "".
func output(dir string) ([3]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return [3]string{}, err
	}
	var found [3]string
	for _, e := range entries {
		kind := slices.IndexFunc([]func(string) bool{
			func(n string) bool { return strings.HasPrefix(n, "deposit_data-") && strings.HasSuffix(n, ".json") },
			func(n string) bool { return strings.HasPrefix(n, "keyshares-") && strings.HasSuffix(n, ".json") },
			func(n string) bool { return n == transactionsName },
		}, func(is func(string) bool) bool { return is(e.Name()) })
		if kind < 0 {
			continue
		}
		if found[kind] != "" {
			return [3]string{}, fmt.Errorf("dvkeys: %s holds more than one batch: %s and %s", dir, filepath.Base(found[kind]), e.Name())
		}
		found[kind] = filepath.Join(dir, e.Name())
	}
	return found, nil
}
