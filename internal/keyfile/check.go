package keyfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
)

// content checks the entries of a file when it is opened, and is what it learnt of it.
type content struct {
	header  *header
	count   *uint64
	records uint64
	named   map[string][PublicKeySize]byte // labels according to the records
	index   map[string][PublicKeySize]byte // labels according to the index
}

func newContent() *content {
	return &content{named: map[string][PublicKeySize]byte{}, index: map[string][PublicKeySize]byte{}}
}

// Bucket is of boltfile.Check.
func (c *content) Bucket(name string) func(key, value []byte) error {
	switch name {
	case string(fileBucket):
		return c.fileEntry
	case string(keysBucket):
		return c.recordEntry
	case string(labelsBucket):
		return c.labelEntry
	}
	return nil
}

// Done is of boltfile.Check.
func (c *content) Done() error {
	switch {
	case c.header == nil || c.count == nil:
		return errors.New("it has no header: not a key file of this library")
	case *c.count != c.records:
		return fmt.Errorf("it holds %d records, expected %d", c.records, *c.count)
	case !maps.Equal(c.named, c.index):
		return errors.New("its label index does not match its records")
	}
	return nil
}

func (c *content) fileEntry(key, value []byte) error {
	switch {
	case string(key) == string(headerKey):
		h, err := decodeHeader(value)
		c.header = &h
		return err
	case string(key) == string(countKey) && len(value) == 8:
		n := binary.BigEndian.Uint64(value)
		c.count = &n
		return nil
	}
	return errors.New("is not a header entry")
}

func (c *content) recordEntry(key, value []byte) error {
	r, err := decodeRecord(key, value)
	if err != nil {
		return err
	}
	c.records++
	if r.Label != "" {
		c.named[r.Label] = r.PublicKey
	}
	return nil
}

func (c *content) labelEntry(key, value []byte) error {
	if len(value) != PublicKeySize {
		return errors.New("is not a label")
	}
	c.index[string(key)] = [PublicKeySize]byte(value)
	return nil
}
