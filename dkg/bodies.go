package dkg

import (
	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

const (
	pointSize  = bls.PublicKeySize
	scalarSize = bls.ScalarSize
	proofSize  = pointSize + scalarSize
	sealedSize = scalarSize + secret.OnceOverhead // of a share in a Deal
)

// hello is the body of the first round.
type hello struct {
	key    [pointSize]byte // E, that shares are encrypted to
	proof  [proofSize]byte // of knowledge of its scalar
	nonce  [32]byte
	commit [32]byte // to the dealing; zeros of who deals nothing
	wrap   []byte   // the sealed seed: keyshare.SealedSize bytes, or none
}

func (h *hello) bytes() []byte {
	w := &writer{}
	w.raw(h.key[:])
	w.raw(h.proof[:])
	w.raw(h.nonce[:])
	w.raw(h.commit[:])
	w.counted(h.wrap)
	return w.b
}

func parseHello(b []byte) (*hello, bool) {
	r := &reader{b: b}
	h := &hello{}
	copy(h.key[:], r.take(pointSize))
	copy(h.proof[:], r.take(proofSize))
	h.nonce, h.commit = r.hash(), r.hash()
	h.wrap = r.counted(keyshare.SealedSize)
	return h, r.done() && (len(h.wrap) == 0 || len(h.wrap) == keyshare.SealedSize)
}

// deal is the body of the second round.
type deal struct {
	ssid [32]byte
	salt [32]byte
	keys []dealtKey
}

// dealtKey is the dealing of one key.
type dealtKey struct {
	points []byte // commitments, threshold of them
	proof  []byte // of knowledge of the constant term
	sealed []byte // one share for each operator, in their order
}

func (d *deal) bytes() []byte {
	w := &writer{}
	w.raw(d.ssid[:])
	w.raw(d.salt[:])
	w.u32(uint32(len(d.keys)))
	for _, k := range d.keys {
		w.u32(uint32(len(k.points) / pointSize))
		w.raw(k.points)
		w.raw(k.proof)
		w.u32(uint32(len(k.sealed) / sealedSize))
		w.raw(k.sealed)
	}
	return w.b
}

// parseDeal takes the body apart without decoding a point. It stops at the first
// count of commitments that is not the threshold, before it allocates for it.
func parseDeal(b []byte, p *Params) (*deal, Code) {
	r := &reader{b: b}
	d := &deal{ssid: r.hash(), salt: r.hash()}
	if r.u32() != uint32(p.Keys) {
		return nil, CodeEncoding
	}
	d.keys = make([]dealtKey, p.Keys)
	for v := range d.keys {
		if n := r.u32(); n != uint32(p.Threshold) {
			if r.fault {
				return nil, CodeEncoding
			}
			return nil, CodeCount
		}
		d.keys[v].points = r.take(p.Threshold * pointSize)
		d.keys[v].proof = r.take(proofSize)
		if r.u32() != uint32(len(p.Operators)) {
			return nil, CodeEncoding
		}
		d.keys[v].sealed = r.take(len(p.Operators) * sealedSize)
	}
	if !r.done() {
		return nil, CodeEncoding
	}
	return d, 0
}

func (p *Params) dealSize() int {
	return 32 + 32 + 4 + p.Keys*(4+p.Threshold*pointSize+proofSize+4+len(p.Operators)*sealedSize)
}

// confirm is the body of the third round.
type confirm struct {
	ssid   [32]byte
	deals  [][32]byte // the digests of the dealers' Deals, in their order
	roots  [32]byte   // the hash of the application roots
	result [32]byte   // T
	keys   []confirmedKey
}

// confirmedKey is what a receiver says of its new share of one key.
type confirmedKey struct {
	partials [][keyshare.SignatureSize]byte // of the confirmation root, then of the application roots
	sealed   []byte                         // the share, encrypted as the SSV network does, to its operator
}

func (c *confirm) bytes() []byte {
	w := &writer{}
	w.raw(c.ssid[:])
	w.u32(uint32(len(c.deals)))
	for _, d := range c.deals {
		w.raw(d[:])
	}
	w.raw(c.roots[:])
	w.raw(c.result[:])
	w.u32(uint32(len(c.keys)))
	for _, k := range c.keys {
		w.u32(uint32(len(k.partials)))
		for _, s := range k.partials {
			w.raw(s[:])
		}
		w.counted(k.sealed)
	}
	return w.b
}

// parseConfirm decodes the Confirm of a participant who does or does not receive
// shares.
func parseConfirm(b []byte, p *Params, receives bool) (*confirm, bool) {
	r := &reader{b: b}
	c := &confirm{ssid: r.hash()}
	for range r.count(MaxOperators, 32) {
		c.deals = append(c.deals, r.hash())
	}
	c.roots, c.result = r.hash(), r.hash()
	for range r.count(MaxKeys, 8) {
		var k confirmedKey
		for range r.count(1+MaxRoots, keyshare.SignatureSize) {
			k.partials = append(k.partials, [keyshare.SignatureSize]byte(r.take(keyshare.SignatureSize)))
		}
		k.sealed = r.counted(keyshare.SealedSize)
		if len(k.partials) == 0 || len(k.sealed) != keyshare.SealedSize {
			return nil, false
		}
		c.keys = append(c.keys, k)
	}
	want := 0
	if receives {
		want = p.Keys
	}
	return c, r.done() && len(c.deals) == len(p.dealers()) && len(c.keys) == want
}

func (p *Params) confirmSize() int {
	return 32 + 4 + 32*len(p.dealers()) + 32 + 32 + 4 + p.Keys*(4+(1+MaxRoots)*keyshare.SignatureSize+4+keyshare.SealedSize)
}

// ack is the body of the last round: the hash of the certificate that the sender
// has stored.
type ack struct{ certificate [32]byte }

func parseAck(b []byte) (*ack, bool) {
	r := &reader{b: b}
	a := &ack{r.hash()}
	return a, r.done()
}
