package keystore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/claystack/dvkeys/keyshare"
)

// File is a keystore of a folder, opened.
type File struct {
	Path     string // of the file
	Keystore *Keystore
	Key      *keyshare.SecretKey // the caller destroys it
}

// ReadDir opens the keystores of a folder with one password, on all processors, and yields them in the order of their
// names. What is read are the files with "keystore" in their name that end in .json and do not begin with a dot;
// folders within are not.
//
// A file that cannot be read or opened is yielded with its path and an error that names it, and those after it follow; so
// a caller that wants all or nothing stops at the first error. Only if the folder cannot be read, holds no keystore, or
// the context ends, there is no path and no more. Errors are those of [ReadFile] and [Keystore.Decrypt].
//
// The memory in use is at most 1 GiB, and what the garbage collector has not yet collected.
func ReadDir(ctx context.Context, dir string, password []byte) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		names, err := list(dir)
		if err != nil {
			yield(File{}, fmt.Errorf("keystore: %w", err))
			return
		}
		open := func(i int) opened {
			if err := ctx.Err(); err != nil {
				return opened{err: fmt.Errorf("keystore: %w", err)}
			}
			return open(names[i], password)
		}
		for f := range ordered(len(names), open, opened.discard) {
			if !yield(f.File, f.err) || f.Path == "" {
				return
			}
		}
	}
}

// opened is a File or why it could not be opened.
type opened struct {
	File
	err error
}

func (o opened) discard() {
	if o.Key != nil {
		o.Key.Destroy()
	}
}

func open(name string, password []byte) opened {
	o := opened{File: File{Path: name}}
	if o.Keystore, o.err = ReadFile(name); o.err != nil {
		return o
	}
	if o.Key, o.err = o.Keystore.Decrypt(password); o.err != nil {
		o.err = fmt.Errorf("keystore: %s: %w", name, o.err)
	}
	return o
}

// list returns the paths of a folder's keystores.
func list(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		if !e.IsDir() && strings.Contains(name, "keystore") && strings.HasSuffix(name, ".json") && name[0] != '.' {
			names = append(names, filepath.Join(dir, name))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s holds no keystore: no file *keystore*.json", dir)
	}
	return names, nil
}

// Entry is a key to be written by [WriteDir].
type Entry struct {
	Key     keyshare.Secret
	Options *Options // as for [Encrypt]
}

// WriteDir encrypts each key under one password and writes it to a file of its own, as [Keystore.WriteFile] does, all
// with the same time in their names, on all processors. It returns the files' paths in the order of the entries.
//
// Before it writes anything it refuses entries that would get the same name, or that of a file there is. If it fails
// later, or the context ends, it returns the paths of what is written already, "" standing for the others.
func WriteDir(ctx context.Context, dir string, password []byte, entries []Entry) ([]string, error) {
	names, err := newNames(dir, entries, time.Now())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	write := func(i int) error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("keystore: %w", err)
		}
		store, err := Encrypt(entries[i].Key, password, entries[i].Options)
		if err != nil {
			return err
		}
		return store.create(names[i])
	}
	var failed error
	written := make([]string, len(entries))
	i := 0
	for err := range ordered(len(entries), write, func(error) {}) {
		if err == nil {
			written[i] = names[i]
		} else if failed == nil {
			failed = err
			cancel()
		}
		i++
	}
	return written, failed
}

// newNames returns the paths of the entries' files.
func newNames(dir string, entries []Entry, now time.Time) ([]string, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("keystore: %s is not a folder", dir)
	}
	names := make([]string, len(entries))
	taken := map[string]int{}
	for i, e := range entries {
		store := Keystore{PublicKey: e.Key.PublicKey()}
		if e.Options != nil {
			store.Path = e.Options.Path.String()
		}
		name, err := store.fileName(now)
		if err != nil {
			return nil, err
		}
		if first, ok := taken[name]; ok {
			return nil, fmt.Errorf("keystore: entries %d and %d have the same path or key: the file would be %s for both", first, i, name)
		}
		taken[name] = i
		names[i] = filepath.Join(dir, name)
		if _, err := os.Lstat(names[i]); err == nil {
			return nil, fmt.Errorf("keystore: %s: %w, and is never overwritten", names[i], fs.ErrExist)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("keystore: %w", err)
		}
	}
	return names, nil
}

// ordered calls f for 0 to n-1 on as many goroutines as there are processors and yields the results in order. When the
// loop ends early it waits for the calls that have begun and gives their results to discard.
func ordered[T any](n int, f func(i int) T, discard func(T)) iter.Seq[T] {
	return func(yield func(T) bool) {
		var begun []chan T
		for next := 0; next < n || len(begun) > 0; {
			if next < n && len(begun) < runtime.GOMAXPROCS(0) {
				result, i := make(chan T, 1), next
				go func() { result <- f(i) }()
				begun = append(begun, result)
				next++
				continue
			}
			result := <-begun[0]
			begun = begun[1:]
			if yield(result) {
				continue
			}
			for _, result := range begun {
				discard(<-result)
			}
			return
		}
	}
}
