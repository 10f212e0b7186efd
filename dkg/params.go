package dkg

import (
	"bytes"
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/shamir"
)

// Version is the version of the protocol that this package speaks.
const Version = 1

// suite names curve, hashes and encryption: BLS12-381 with keys in G1, SHA-256,
// HKDF-SHA256, XSalsa20-Poly1305.
const suite = 1

// Limits of a ceremony. Larger values are refused before anything is allocated for
// them.
const (
	MaxOperators = 128      // dealers and receivers together
	MaxKeys      = 4096     // keys in a batch
	MaxMessage   = 16 << 20 // bytes of one message; Params that need more are refused
	MaxContext   = 64 << 10 // bytes of Params.Context
	MaxRoots     = 8        // application roots per key
)

// maxBody is the longest body of a Deal or Confirm: so long that a Complaint, which may
// carry two Deals and two Hellos, is no longer than MaxMessage.
const maxBody = MaxMessage/2 - 8<<10

// Kind says what a ceremony does.
type Kind uint8

// The kinds of ceremony.
const (
	Generate Kind = 1 // makes new keys
	Reshare  Kind = 2 // hands keys over to other operators or another threshold
	Refresh  Kind = 3 // makes new shares for the same operators and threshold
)

// String returns the name.
func (k Kind) String() string {
	switch k {
	case Generate:
		return "generate"
	case Reshare:
		return "reshare"
	case Refresh:
		return "refresh"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Scheme says how an operator signs its messages: with its RSA key over SHA-256.
type Scheme uint8

// The schemes.
const (
	PSS      Scheme = 1 // RSASSA-PSS with a salt of 32 bytes
	PKCS1v15 Scheme = 2 // RSASSA-PKCS1-v1_5, for tokens that can nothing else
)

// Operator is one participant: its id and RSA-2048 key, which signs its messages and
// which its shares are sealed to, and how it signs.
type Operator struct {
	keyshare.Operator
	Scheme Scheme
}

// Session names a ceremony: the hash of its Params.
type Session [32]byte

// String returns 64 hex digits.
func (s Session) String() string { return hex.EncodeToString(s[:]) }

// MarshalText is String.
func (s Session) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads 64 hex digits in lower case.
func (s *Session) UnmarshalText(text []byte) error {
	var parsed Session
	if n, err := hex.Decode(parsed[:], text[:min(len(text), 64)]); err != nil || n != 32 || parsed.String() != string(text) {
		return errors.New("dkg: session: not 64 lower-case hex digits")
	}
	*s = parsed
	return nil
}

// Params say everything about a ceremony that its participants must agree on before
// it starts. Whoever proposes them sends them to all, and each operator decides
// whether it takes part: Context is where the application puts what the keys will be
// used for, such as network, withdrawal credentials, owner and first nonce.
type Params struct {
	Kind      Kind
	Nonce     [32]byte   // random, so that each ceremony has a Session of its own
	Created   time.Time  // seconds count
	Expires   time.Time  // after Created; nobody starts or goes on after it
	Keys      int        // how many keys, 1 to MaxKeys
	Threshold int        // how many of the Operators sign
	Operators []Operator // who gets shares, ascending by id
	Dealers   []Operator // reshare and refresh: who hands its old share on, ascending by id; at least the old threshold
	Parents   [][32]byte // reshare and refresh: for each key, the hash of its Lineage
	Context   []byte     // for the application; at most MaxContext bytes
}

// Bytes returns the encoding that ParseParams reads.
func (p *Params) Bytes() []byte {
	w := &writer{}
	w.u16(Version)
	w.u8(uint8(p.Kind))
	w.u16(suite)
	w.raw(p.Nonce[:])
	w.u64(uint64(p.Created.Unix()))
	w.u64(uint64(p.Expires.Unix()))
	w.u32(uint32(p.Keys))
	w.u32(uint32(p.Threshold))
	for _, list := range [][]Operator{p.Operators, p.Dealers} {
		w.u32(uint32(len(list)))
		for _, o := range list {
			w.u64(uint64(o.ID))
			w.u8(uint8(o.Scheme))
			w.counted(x509.MarshalPKCS1PublicKey(o.PublicKey))
		}
	}
	w.u32(uint32(len(p.Parents)))
	for _, h := range p.Parents {
		w.raw(h[:])
	}
	w.counted(p.Context)
	return w.b
}

// maxKeyDER bounds an encoded RSA-2048 key.
const maxKeyDER = 300

// ParseParams decodes and checks Params. An encoding of another version of the
// protocol is a *VersionError.
func ParseParams(b []byte) (*Params, error) {
	r := &reader{b: b}
	if v := r.u16(); v != Version && !r.fault {
		return nil, &VersionError{Peer: v}
	}
	p := &Params{Kind: Kind(r.u8())}
	if s := r.u16(); s != suite && !r.fault {
		return nil, fmt.Errorf("dkg: params: suite %d, expected %d", s, suite)
	}
	p.Nonce = r.hash()
	p.Created, p.Expires = time.Unix(int64(r.u64()), 0), time.Unix(int64(r.u64()), 0)
	p.Keys, p.Threshold = int(r.u32()), int(r.u32())
	for _, list := range []*[]Operator{&p.Operators, &p.Dealers} {
		for range r.count(MaxOperators, 8+1+4) {
			o := Operator{Operator: keyshare.Operator{ID: keyshare.Index(r.u64())}, Scheme: Scheme(r.u8())}
			key, err := x509.ParsePKCS1PublicKey(r.counted(maxKeyDER))
			if err != nil && !r.fault {
				return nil, fmt.Errorf("dkg: params: operator %d: not an RSA public key in PKCS #1 form", o.ID)
			}
			o.PublicKey = key
			*list = append(*list, o)
		}
	}
	for range r.count(MaxKeys, 32) {
		p.Parents = append(p.Parents, r.hash())
	}
	if context := r.counted(MaxContext); len(context) > 0 {
		p.Context = bytes.Clone(context)
	}
	if !r.done() {
		return nil, errors.New("dkg: params: not an encoding of this version")
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	if !bytes.Equal(p.Bytes(), b) {
		return nil, errors.New("dkg: params: not the canonical encoding")
	}
	return p, nil
}

// Check reports the first fault of the Params in themselves.
func (p *Params) Check() error {
	fault := func(format string, args ...any) error { return fmt.Errorf("dkg: params: "+format, args...) }
	if p.Kind < Generate || p.Kind > Refresh {
		return fault("%s, expected generate (1), reshare (2) or refresh (3)", p.Kind)
	}
	if p.Created.Unix() < 0 || p.Expires.Unix() <= p.Created.Unix() {
		return fault("expires at %d, created at %d: expected a later second, counted from 1970", p.Expires.Unix(), p.Created.Unix())
	}
	if p.Keys < 1 || p.Keys > MaxKeys {
		return fault("%d keys, expected 1 to %d", p.Keys, MaxKeys)
	}
	if n := len(p.Operators); p.Threshold < 2 || p.Threshold > n {
		return fault("threshold %d of %d operators, expected 2 to %d", p.Threshold, n, n)
	}
	people, err := p.participants()
	if err != nil {
		return err
	}
	if len(people) > MaxOperators {
		return fault("%d participants, expected at most %d", len(people), MaxOperators)
	}
	if p.Threshold > shamir.MaxThreshold {
		return fault("threshold %d, expected at most %d", p.Threshold, shamir.MaxThreshold)
	}
	switch {
	case p.Kind == Generate && (len(p.Dealers) > 0 || len(p.Parents) > 0):
		return fault("generate with dealers or parents: all operators deal, and the keys are new")
	case p.Kind != Generate && len(p.Dealers) < 2:
		return fault("%s with %d dealers, expected at least the old threshold", p.Kind, len(p.Dealers))
	case p.Kind != Generate && len(p.Parents) != p.Keys:
		return fault("%d parents for %d keys", len(p.Parents), p.Keys)
	}
	for i, h := range p.Parents {
		if slices.Contains(p.Parents[:i], h) {
			return fault("parent %d stands twice", i)
		}
	}
	if len(p.Context) > MaxContext {
		return fault("context of %d bytes, expected at most %d", len(p.Context), MaxContext)
	}
	if need := max(p.dealSize(), p.confirmSize()); need > maxBody {
		return fault("%d keys and %d operators make messages of %d bytes, expected at most %d: use smaller batches", p.Keys, len(p.Operators), need, maxBody)
	}
	return nil
}

// participants returns operators and dealers, each once, ascending by id, and
// checks ids, keys and order.
func (p *Params) participants() ([]Operator, error) {
	all := slices.Clone(p.Operators)
	for _, list := range [][]Operator{p.Operators, p.Dealers} {
		for i, o := range list {
			if err := o.Check(); err != nil {
				return nil, fmt.Errorf("dkg: params: %w", err)
			}
			if o.Scheme != PSS && o.Scheme != PKCS1v15 {
				return nil, fmt.Errorf("dkg: params: operator %d: signature scheme %d, expected 1 (PSS) or 2 (PKCS #1 v1.5)", o.ID, o.Scheme)
			}
			if i > 0 && list[i-1].ID >= o.ID {
				return nil, fmt.Errorf("dkg: params: operator %d stands after %d, expected ascending ids", o.ID, list[i-1].ID)
			}
		}
	}
	for _, d := range p.Dealers {
		at, both := slices.BinarySearchFunc(p.Operators, d, byID)
		if !both {
			all = append(all, d)
		} else if o := p.Operators[at]; !o.PublicKey.Equal(d.PublicKey) || o.Scheme != d.Scheme {
			return nil, fmt.Errorf("dkg: params: operator %d has one key as dealer and another as receiver", d.ID)
		}
	}
	slices.SortFunc(all, byID)
	owners := make(map[string]keyshare.Index, len(all))
	for _, o := range all {
		n := string(o.PublicKey.N.Bytes())
		if other, twice := owners[n]; twice {
			return nil, fmt.Errorf("dkg: params: operators %d and %d have the same key", other, o.ID)
		}
		owners[n] = o.ID
	}
	return all, nil
}

func byID(a, b Operator) int { return cmp.Compare(a.ID, b.ID) }

// Session returns the hash of the encoding.
func (p *Params) Session() Session { return tagHash(tagParams, p.Bytes()) }

// DefaultThreshold is the threshold for n operators: all but the largest number
// below a third, which is 2f+1 of 3f+1.
func DefaultThreshold(n int) int { return n - (n-1)/3 }

// CheckKnown compares the participants with a register of operators, so that no key
// is believed because a message names it. It returns an error for the first
// participant that the register does not have, or has with another key.
func (p *Params) CheckKnown(register func(keyshare.Index) (*rsa.PublicKey, bool)) error {
	people, err := p.participants()
	if err != nil {
		return err
	}
	for _, o := range people {
		key, known := register(o.ID)
		if !known {
			return fmt.Errorf("dkg: params: operator %d is not in the register", o.ID)
		}
		if !key.Equal(o.PublicKey) {
			return fmt.Errorf("dkg: params: operator %d has another key in the register", o.ID)
		}
	}
	return nil
}

// dealers returns who deals: the operators, or in a reshare the Dealers.
func (p *Params) dealers() []Operator {
	if p.Kind == Generate {
		return p.Operators
	}
	return p.Dealers
}

// members returns the ids of the operators.
func (p *Params) members() []keyshare.Index { return ids(p.Operators) }

func ids(list []Operator) []keyshare.Index {
	out := make([]keyshare.Index, len(list))
	for i, o := range list {
		out[i] = o.ID
	}
	return out
}
