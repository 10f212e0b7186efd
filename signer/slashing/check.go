package slashing

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/boltfile"
)

// content checks the entries of a file when it is opened, and is what it learnt.
type content struct {
	header  *header
	count   *uint64
	entries uint64
}

var _ boltfile.Check = (*content)(nil)

func (c *content) Bucket(name string) func(k, value []byte) error {
	switch name {
	case string(fileBucket):
		return c.fileEntry
	case string(validatorsBucket):
		return func(k, value []byte) error { _, err := decodeValidator(k, value); c.entries++; return err }
	case string(blocksBucket):
		return func(k, value []byte) error { _, err := decodeBlock(k, value); c.entries++; return err }
	case string(votesBucket):
		return func(k, value []byte) error { _, err := decodeVote(k, value); c.entries++; return err }
	}
	return nil
}

func (c *content) fileEntry(k, value []byte) error {
	switch {
	case string(k) == string(headerKey):
		h, err := decodeHeader(value)
		c.header = &h
		return err
	case string(k) == string(countKey) && len(value) == 8:
		n := number(value)
		c.count = &n
		return nil
	}
	return errors.New("is not a header entry")
}

func (c *content) Done() error {
	switch {
	case c.header == nil || c.count == nil:
		return errors.New("it has no header: not a history of this library")
	case *c.count != c.entries:
		return fmt.Errorf("it holds %d entries, %d expected", c.entries, *c.count)
	}
	return nil
}
