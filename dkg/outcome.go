package dkg

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
)

// Outcome is what a ceremony made. All of it is public; the shares are in each
// operator's custody.
type Outcome struct {
	Params   *Params
	Lineages []*Lineage // of each key, with its Group
	Sealed   [][]keyshare.Sealed

	// Roots are what the application had signed with each key, and Signatures the
	// validator key's signatures of these, combined and verified.
	Roots      [][]keyshare.Root
	Signatures [][]keyshare.Signature

	// Transcript has all Hellos and Deals, and Certificate all Confirms. With both,
	// anybody can check the outcome (Verify), and an operator can find its shares
	// again (Recover).
	Transcript, Certificate []byte

	certificateHash [32]byte
}

// Groups returns the group of each key.
func (o *Outcome) Groups() []*keyshare.Group {
	out := make([]*keyshare.Group, len(o.Lineages))
	for v, l := range o.Lineages {
		out[v] = l.Group
	}
	return out
}

// Key returns key v as one that signs exactly the roots that were signed in the
// ceremony, with the signatures that were made there.
func (o *Outcome) Key(v int) keyshare.Key { return signedKey{o, v} }

type signedKey struct {
	o *Outcome
	v int
}

// PublicKey implements keyshare.Key.
func (k signedKey) PublicKey() keyshare.PublicKey { return k.o.Lineages[k.v].Group.PublicKey() }

// SignRoots implements keyshare.Key.
func (k signedKey) SignRoots(_ context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error) {
	out := make([]keyshare.Signature, len(roots))
	for i, root := range roots {
		at := slices.Index(k.o.Roots[k.v], root)
		if at < 0 {
			return nil, fmt.Errorf("dkg: the root was not signed in the ceremony")
		}
		out[i] = k.o.Signatures[k.v][at]
	}
	return out, nil
}

// newOutcome puts together what verified Confirms of all participants say.
func (s *session) newOutcome(w *view, confirms []*checkedConfirm) (*Outcome, error) {
	n := len(w.groups)
	o := &Outcome{
		Params: s.params, Lineages: make([]*Lineage, n), Sealed: make([][]keyshare.Sealed, n), Roots: w.roots,
		Signatures: make([][]keyshare.Signature, n), Transcript: s.transcriptBytes(w), Certificate: certificateBytes(confirms),
	}
	o.certificateHash = certificateHash(w, confirms)
	errs := make([]error, n)
	parallel.Each(n, func(v int) { errs[v] = s.finishKey(o, w, confirms, v) })
	return o, errors.Join(errs...)
}

// finishKey fills in what the outcome says of key v. The signatures of the confirmation
// need not be combined: each was verified under a public share, and these lie on one
// polynomial with the key, by construction.
func (s *session) finishKey(o *Outcome, w *view, confirms []*checkedConfirm, v int) error {
	g := w.groups[v]
	o.Lineages[v] = s.next(v, g, w.result)
	for i, root := range w.roots[v] {
		partials := map[keyshare.Index]keyshare.Signature{}
		for _, c := range confirms {
			if len(c.keys) > 0 {
				partials[c.sender] = c.signatures[v][1+i] // after that of the confirmation
			}
		}
		combined, err := g.Combine(root, partials)
		if err != nil {
			return fmt.Errorf("dkg: key %d: %w", v, err)
		}
		if !g.PublicKey().VerifyIndependent(root, combined) {
			return fmt.Errorf("dkg: key %d: the second BLS library refuses the combined signature", v)
		}
		o.Signatures[v] = append(o.Signatures[v], combined)
	}
	for _, c := range confirms {
		if len(c.keys) == 0 {
			continue
		}
		key, _ := g.Member(c.sender)
		o.Sealed[v] = append(o.Sealed[v], keyshare.Sealed{ID: c.sender, PublicKey: key, Ciphertext: c.keys[v].sealed})
	}
	return nil
}

func certificateBytes(confirms []*checkedConfirm) []byte {
	w := &writer{}
	w.u16(Version)
	w.u32(uint32(len(confirms)))
	for _, c := range confirms {
		w.counted(c.raw)
	}
	return w.b
}

// certificateHash is the same for all who have the same Confirms, whatever their
// signatures' bytes.
func certificateHash(w *view, confirms []*checkedConfirm) [32]byte {
	parts := [][]byte{w.result[:]}
	for _, c := range confirms {
		parts = append(parts, c.digest[:])
	}
	return tagHash(tagAck, parts...)
}

// Verify checks transcript and certificate of a ceremony, trusting nothing in them
// but the Params and, in a reshare, the lineages, and returns the outcome. It is for
// those who took no part or missed the end.
func Verify(p *Params, lineages []*Lineage, transcript, certificate []byte) (*Outcome, error) {
	s, err := newSession(p, lineages)
	if err != nil {
		return nil, err
	}
	_, o, err := s.verify(transcript, certificate)
	return o, err
}

func (s *session) verify(transcript, certificate []byte) (*view, *Outcome, error) {
	w, err := s.readTranscript(transcript)
	if err != nil {
		return nil, nil, err
	}
	r := &reader{b: certificate}
	if v := r.u16(); v != Version && !r.fault {
		return nil, nil, &VersionError{Peer: v}
	}
	if n := r.count(MaxOperators, 4); n != len(s.people) {
		return nil, nil, fmt.Errorf("dkg: certificate of %d Confirms, expected %d", n, len(s.people))
	}
	confirms := make([]*checkedConfirm, len(s.people))
	for i, o := range s.people {
		m, err := s.expect(r.counted(MaxMessage), RoundConfirm, o.ID)
		if err != nil {
			return nil, nil, err
		}
		c, code := s.checkConfirm(m)
		if code == 0 && !w.sameDealings(c) {
			return nil, nil, fmt.Errorf("dkg: certificate: operator %d confirmed other dealings than the transcript has", o.ID)
		}
		if code == 0 {
			code = s.checkResult(w, c)
		}
		if code != 0 {
			return nil, nil, fmt.Errorf("dkg: certificate: Confirm of operator %d: %s", o.ID, code)
		}
		confirms[i] = c
	}
	if !r.done() {
		return nil, nil, errors.New("dkg: certificate: bytes after its end")
	}
	if bad := w.checkPartials(confirms); bad >= 0 {
		return nil, nil, fmt.Errorf("dkg: certificate: Confirm of operator %d: %s", confirms[bad].sender, CodePartial)
	}
	o, err := s.newOutcome(w, confirms)
	return w, o, err
}

// ReadParams returns the Params that a transcript is of. They are to be compared with
// what was agreed on before anything else is believed.
func ReadParams(transcript []byte) (*Params, error) {
	b, _, _, _, err := splitTranscript(transcript)
	if err != nil {
		return nil, err
	}
	return ParseParams(b)
}
