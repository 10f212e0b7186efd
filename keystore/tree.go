package keystore

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/kdf"
	"github.com/claystack/dvkeys/internal/secret"
)

// node is a key in the tree of EIP-2333, and the guarded memory to compute the next one in.
type node struct {
	secret.Redacted
	mac   *kdf.MAC
	guard *secret.Buffer

	key        []byte // big-endian
	flipped    []byte // the key with all bits flipped
	lamport    []byte // half of the Lamport secret key: 255 chunks
	compressed []byte // the hash of the Lamport public key, and a zero byte
	wide       []byte // a number to be reduced modulo the group order
}

const (
	chunks    = 255
	chunkSize = 32
	wideSize  = 48
)

func newNode() (*node, error) {
	mac, err := kdf.NewMAC(sha256.New)
	if err != nil {
		return nil, err
	}
	guard, err := secret.New(2*bls.ScalarSize + chunks*chunkSize + sha256.Size + 1 + wideSize)
	if err != nil {
		mac.Destroy()
		return nil, err
	}
	rest := guard.Bytes()
	next := func(n int) (b []byte) {
		b, rest = rest[:n:n], rest[n:]
		return b
	}
	return &node{
		mac: mac, guard: guard,
		key: next(bls.ScalarSize), flipped: next(bls.ScalarSize), lamport: next(chunks * chunkSize),
		compressed: next(sha256.Size + 1), wide: next(wideSize),
	}, nil
}

func (n *node) destroy() {
	n.mac.Destroy()
	n.guard.Destroy()
}

// master sets the node to the root of the tree: derive_master_SK.
func (n *node) master(seed []byte) error {
	ikm, err := secret.New(len(seed) + 1)
	if err != nil {
		return err
	}
	defer ikm.Destroy()
	copy(ikm.Bytes(), seed)
	return n.hkdfModR(ikm.Bytes())
}

// child sets the node to its child: derive_child_SK.
func (n *node) child(index uint32) error {
	n.compress(index)
	return n.hkdfModR(n.compressed)
}

// hkdfModR sets the key from the secret, which ends in a zero byte.
func (n *node) hkdfModR(ikm []byte) error {
	salt := sha256.Sum256([]byte("BLS-SIG-KEYGEN-SALT-"))
	for {
		n.mac.HKDF(n.wide, ikm, salt[:], []byte{0, wideSize})
		if err := bls.ReduceWide(n.key, n.wide); err != nil {
			return err
		}
		var zero [bls.ScalarSize]byte
		if subtle.ConstantTimeCompare(n.key, zero[:]) == 0 {
			return nil
		}
		salt = sha256.Sum256(salt[:])
	}
}

// compress sets compressed to the hash of the Lamport public key for the child: parent_SK_to_lamport_PK.
func (n *node) compress(index uint32) {
	salt := binary.BigEndian.AppendUint32(nil, index)
	for i, b := range n.key {
		n.flipped[i] = ^b
	}
	chunk, all := sha256.New(), sha256.New()
	for _, ikm := range [][]byte{n.key, n.flipped} {
		n.mac.HKDF(n.lamport, ikm, salt, nil)
		for at := 0; at < len(n.lamport); at += chunkSize {
			chunk.Reset()
			chunk.Write(n.lamport[at : at+chunkSize])
			all.Write(chunk.Sum(n.wide[:0]))
		}
	}
	all.Sum(n.compressed[:0])
	kdf.Erase(chunk)
	kdf.Erase(all)
}
