package dkg

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/claystack/dvkeys/internal/durable"
)

// FileJournal is a Journal in a file: for each message u32 length ‖ the same with all bits
// inverted ‖ message ‖ the first 8 bytes of its SHA-256. It holds nothing secret. It is safe
// for concurrent use in one process. A second process that opens it is refused, where the system has locks.
type FileJournal struct {
	mu       sync.Mutex
	file     *os.File
	messages [][]byte
	broken   error // of an Append that may have left half a message
}

// sumSize is the length of the check sum.
const sumSize = 8

// OpenJournal opens the journal of a session in a folder, in the file
// <session>.dkg, or begins it. What a process that was killed left unfinished at the
// end is cut off: it was never sent. A journal that is damaged otherwise is refused: what
// the party has said before is not known then, and it must say nothing more.
func OpenJournal(dir string, s Session) (*FileJournal, error) {
	path := filepath.Join(dir, s.String()+".dkg")
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &FileJournal{file: f}
	if err = lock(f); err == nil {
		err = errors.Join(j.load(), durable.SyncDir(dir))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("dkg: journal %s: %w", path, err), f.Close())
	}
	return j, nil
}

func (j *FileJournal) load() error {
	b, err := io.ReadAll(j.file)
	if err != nil {
		return err
	}
	r := &reader{b: b}
	good := 0
	for len(r.b) > 0 {
		length, inverted := r.u32(), r.u32()
		if !r.fault && (inverted != ^length || length > MaxMessage) {
			return fmt.Errorf("the length at byte %d is damaged", good)
		}
		m, sum := bytes.Clone(r.take(int(length))), r.take(sumSize)
		if r.fault {
			break // cut off while it was written
		}
		if want := sha256.Sum256(m); !bytes.Equal(sum, want[:sumSize]) {
			return fmt.Errorf("the message at byte %d is damaged", good)
		}
		j.messages = append(j.messages, m)
		good = len(b) - len(r.b)
	}
	if err := j.file.Truncate(int64(good)); err != nil {
		return err
	}
	if _, err := j.file.Seek(int64(good), io.SeekStart); err != nil {
		return err
	}
	return j.file.Sync()
}

// Messages implements Journal.
func (j *FileJournal) Messages() ([][]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([][]byte(nil), j.messages...), j.broken
}

// Append implements Journal.
func (j *FileJournal) Append(messages [][]byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return j.broken
	}
	w := &writer{}
	for _, m := range messages {
		if len(m) > MaxMessage {
			return fmt.Errorf("dkg: message of %d bytes, expected at most %d", len(m), MaxMessage)
		}
		sum := sha256.Sum256(m)
		w.u32(uint32(len(m)))
		w.u32(^uint32(len(m)))
		w.raw(m)
		w.raw(sum[:sumSize])
	}
	_, err := j.file.Write(w.b)
	if err = errors.Join(err, j.file.Sync()); err != nil {
		j.broken = err
		return err
	}
	for _, m := range messages {
		j.messages = append(j.messages, bytes.Clone(m))
	}
	return nil
}

// Close closes the file.
func (j *FileJournal) Close() error { return j.file.Close() }
