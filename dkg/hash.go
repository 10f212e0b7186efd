package dkg

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"hash"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/kdf"
	"github.com/claystack/dvkeys/internal/secret"
)

// The tags set the uses of the hash apart. PROTOCOL.md says what each one hashes.
const (
	tagParams     = "tbls-dkg/v1/params"
	tagEnvelope   = "tbls-dkg/v1/envelope"
	tagSession    = "tbls-dkg/v1/ssid"
	tagCommit     = "tbls-dkg/v1/commit"
	tagPossession = "tbls-dkg/v1/popk" // of the key of a Hello
	tagKnowledge  = "tbls-dkg/v1/pop"  // of the constant term of a dealing
	tagEqual      = "tbls-dkg/v1/dleq"
	tagPad        = "tbls-dkg/v1/pad"
	tagSeed       = "tbls-dkg/v1/seed"
	tagTranscript = "tbls-dkg/v1/transcript"
	tagConfirm    = "tbls-dkg/v1/confirm"
	tagAck        = "tbls-dkg/v1/ack"
	tagLineage    = "tbls-dkg/v1/lineage"
	tagActivate   = "tbls-dkg/v1/activate"
)

// tagged writes the hash of a tag twice and then each part with its length before
// it, so that no two lists of parts hash the same bytes.
func tagged(h hash.Hash, tag string, parts [][]byte) {
	t := sha256.Sum256([]byte(tag))
	h.Write(t[:])
	h.Write(t[:])
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
}

// tagHash is H_tag: SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ for each part: u64 length ‖ part).
func tagHash(tag string, parts ...[]byte) (out [32]byte) {
	h := sha256.New()
	tagged(h, tag, parts)
	h.Sum(out[:0])
	return out
}

// challenge returns a proof's challenge: the same with SHA-512 outside, over the
// parts and then the prover's points.
func challenge(tag string, parts ...[]byte) bls.Challenge {
	return func(commitments ...bls.PublicKey) (out [64]byte) {
		all := append([][]byte(nil), parts...)
		for _, p := range commitments {
			b := p.Bytes()
			all = append(all, b[:])
		}
		h := sha512.New()
		tagged(h, tag, all)
		h.Sum(out[:0])
		return out
	}
}

func be32(x int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(x)) }

func be64[T ~uint64](x T) []byte { return binary.BigEndian.AppendUint64(nil, uint64(x)) }

// deriver derives secrets from secrets in guarded memory: HKDF-SHA256 (RFC 5869).
// It is not safe for concurrent use.
type deriver struct {
	mac  *kdf.MAC
	wide *secret.Buffer // 64 bytes
}

func newDeriver() (*deriver, error) {
	mac, err := kdf.NewMAC(sha256.New)
	if err != nil {
		return nil, err
	}
	wide, err := secret.New(64)
	if err != nil {
		mac.Destroy()
		return nil, err
	}
	return &deriver{mac, wide}, nil
}

func (d *deriver) destroy() {
	d.mac.Destroy()
	d.wide.Destroy()
}

// scalar sets out to the scalar that HKDF derives from ikm, 64 bytes reduced modulo
// the group order. Zero has probability 2^-255 and is an error where it is used.
func (d *deriver) scalar(out, ikm, salt []byte, info [32]byte) error {
	d.mac.HKDF(d.wide.Bytes(), ikm, salt, info[:])
	return bls.ReduceHash(out, d.wide.Bytes())
}

// key sets out, 32 bytes, to the key that HKDF derives from ikm.
func (d *deriver) key(out, ikm, salt []byte, info [32]byte) {
	d.mac.HKDF(out, ikm, salt, info[:])
}
