package keyfile

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/boltfile"
)

// Sizes and limits of what a file holds, in bytes.
const (
	PublicKeySize = 48
	MaxLabel      = 128
	MaxKind       = 32
	MaxHeader     = 2048
	MaxSealed     = 2048
)

var (
	fileBucket   = []byte("file")
	keysBucket   = []byte("keys")
	labelsBucket = []byte("labels")
	headerKey    = []byte("header")
	countKey     = []byte("count")
)

// ID tells one key file from every other. It is 16 random bytes, chosen when the file is made.
type ID [16]byte

// Record is one stored key: its public key, the label it was stored under ("" if none) and the bytes that its backend
// sealed.
type Record struct {
	PublicKey [PublicKeySize]byte
	Label     string
	Sealed    []byte
}

type header struct {
	id   ID
	kind string
	data []byte
}

// cutString splits a string of at most limit bytes, with its length in the first byte, from what follows.
func cutString(b []byte, limit int) (s string, rest []byte, err error) {
	if len(b) == 0 || int(b[0]) > limit || len(b) < 1+int(b[0]) {
		return "", nil, errors.New("is cut short or has a length out of range")
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], nil
}

func encodeHeader(h header) []byte {
	rest := append([]byte{}, h.id[:]...)
	rest = append(rest, byte(len(h.kind)))
	rest = append(rest, h.kind...)
	rest = append(rest, h.data...)
	return boltfile.Frame(headerKey, rest)
}

func decodeHeader(value []byte) (h header, err error) {
	rest, err := boltfile.Unframe(headerKey, value)
	if err != nil {
		return header{}, err
	}
	if len(rest) < len(h.id) {
		return header{}, errors.New("is cut short")
	}
	rest = rest[copy(h.id[:], rest):]
	h.kind, rest, err = cutString(rest, MaxKind)
	if err == nil && (h.kind == "" || len(rest) > MaxHeader) {
		err = fmt.Errorf("has a kind of %d bytes and %d bytes of data, expected 1 to %d and at most %d", len(h.kind), len(rest), MaxKind, MaxHeader)
	}
	if err != nil {
		return header{}, err
	}
	h.data = append([]byte{}, rest...)
	return h, nil
}

func encodeRecord(r Record) []byte {
	rest := make([]byte, 0, 1+len(r.Label)+len(r.Sealed))
	rest = append(rest, byte(len(r.Label)))
	rest = append(rest, r.Label...)
	rest = append(rest, r.Sealed...)
	return boltfile.Frame(r.PublicKey[:], rest)
}

func decodeRecord(key, value []byte) (r Record, err error) {
	if len(key) != PublicKeySize {
		return Record{}, fmt.Errorf("has a public key of %d bytes, expected %d", len(key), PublicKeySize)
	}
	copy(r.PublicKey[:], key)
	rest, err := boltfile.Unframe(key, value)
	if err != nil {
		return Record{}, err
	}
	r.Label, rest, err = cutString(rest, MaxLabel)
	if err == nil {
		err = checkLabel(r.Label)
	}
	if err == nil && (len(rest) == 0 || len(rest) > MaxSealed) {
		err = fmt.Errorf("has %d sealed bytes, expected 1 to %d", len(rest), MaxSealed)
	}
	if err != nil {
		return Record{}, err
	}
	r.Sealed = append([]byte{}, rest...)
	return r, nil
}

// checkLabel accepts "" and up to MaxLabel bytes of printable ASCII (0x20 to 0x7e).
func checkLabel(label string) error {
	if len(label) > MaxLabel {
		return fmt.Errorf("has a label of %d bytes, expected at most %d", len(label), MaxLabel)
	}
	for i := range len(label) {
		if label[i] < ' ' || label[i] > '~' {
			return fmt.Errorf("has byte %#02x at place %d of its label, expected printable ASCII", label[i], i)
		}
	}
	return nil
}
