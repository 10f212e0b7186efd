package software

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/crypto/argon2"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/keyfile"
	"github.com/claystack/dvkeys/internal/secret"
)

const (
	headerVersion = 1
	keySize       = 32
	saltSize      = 16
	wrappedSize   = 24 + 16 + keySize // random, tag, data key
	headerSize    = 1 + 4 + 4 + 1 + saltSize + wrappedSize
)

// cost is what one derivation costs. A file says itself what its passphrase costs, within the limits that check sets so
// that a hostile file cannot exhaust the machine.
type cost struct {
	time    uint32 // passes over the memory
	memory  uint32 // in KiB
	threads uint8
}

// newCost is the cost of new files and new passphrases: the second recommendation of RFC 9106, section 4.
var newCost = cost{time: 3, memory: 64 << 10, threads: 4}

func (c cost) check() error {
	if c.time < 1 || c.time > 16 || c.threads < 1 || c.threads > 16 || c.memory < 8*uint32(c.threads) || c.memory > 1<<20 {
		return fmt.Errorf("derivation takes %d passes over %d KiB with %d threads, expected 1 to 16 over %d to %d with 1 to 16",
			c.time, c.memory, c.threads, 8*uint32(c.threads), 1<<20)
	}
	return nil
}

func (c cost) derive(passphrase, salt []byte) (*secret.Key, error) {
	return secret.TakeKey(argon2.IDKey(passphrase, salt, c.time, c.memory, c.threads, keySize))
}

// header is what the key file keeps for this backend:
//
//	version(1) passes(4) memory in KiB(4) threads(1) salt(16) wrapped data key(72)
//
// with integers big-endian.
type header struct {
	cost    cost
	salt    [saltSize]byte
	wrapped [wrappedSize]byte
}

func (h header) encode() []byte {
	return append(h.parameters(), h.wrapped[:]...)
}

// parameters returns all but the wrapped key, which is bound to them.
func (h header) parameters() []byte {
	b := append(make([]byte, 0, headerSize), headerVersion)
	b = binary.BigEndian.AppendUint32(b, h.cost.time)
	b = binary.BigEndian.AppendUint32(b, h.cost.memory)
	b = append(b, h.cost.threads)
	return append(b, h.salt[:]...)
}

func decodeHeader(b []byte) (h header, err error) {
	if len(b) == 0 || b[0] != headerVersion {
		return header{}, fmt.Errorf("header is not of version %d: the file was written by another version of this library", headerVersion)
	}
	if len(b) != headerSize {
		return header{}, fmt.Errorf("header has %d bytes, expected %d", len(b), headerSize)
	}
	h.cost = cost{binary.BigEndian.Uint32(b[1:]), binary.BigEndian.Uint32(b[5:]), b[9]}
	copy(h.salt[:], b[10:])
	copy(h.wrapped[:], b[10+saltSize:])
	return h, h.cost.check()
}

// context is what the wrapped data key is bound to.
func (h header) context(id keyfile.ID) []byte {
	return slices.Concat([]byte("dvkeys/software data key\x00"), id[:], h.parameters())
}

// wrap makes a header that opens to the data key with this passphrase.
func wrap(id keyfile.ID, dataKey *secret.Key, p Passphrase) ([]byte, error) {
	h := header{cost: newCost}
	rand.Read(h.salt[:])
	kek, err := p.derive(h.cost, h.salt[:])
	if err != nil {
		return nil, err
	}
	defer kek.Destroy()
	var wrapped []byte
	err = dataKey.Use(func(key []byte) (err error) {
		wrapped, err = kek.Seal(h.context(id), key)
		return err
	})
	if err != nil {
		return nil, err
	}
	copy(h.wrapped[:], wrapped)
	return h.encode(), nil
}

// unwrap returns the data key, or ErrPassphrase: the key file's checksum excludes accidental damage.
func unwrap(id keyfile.ID, encoded []byte, p Passphrase) (*secret.Key, error) {
	h, err := decodeHeader(encoded)
	if err != nil {
		return nil, &fault{hsm.ErrCorrupt, err}
	}
	kek, err := p.derive(h.cost, h.salt[:])
	if err != nil {
		return nil, err
	}
	defer kek.Destroy()
	key, err := kek.Open(h.context(id), h.wrapped[:])
	if errors.Is(err, secret.ErrOpen) {
		return nil, ErrPassphrase
	}
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	return secret.TakeKey(key.Bytes())
}
