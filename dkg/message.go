package dkg

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// Round is a kind of message, each of which a participant sends once.
type Round uint8

// The rounds. A Complaint takes the place of what would come next.
const (
	RoundHello     Round = 1
	RoundDeal      Round = 2
	RoundConfirm   Round = 3
	RoundAck       Round = 4
	RoundComplaint Round = 5
)

// String returns the name.
func (r Round) String() string {
	names := [...]string{RoundHello: "Hello", RoundDeal: "Deal", RoundConfirm: "Confirm", RoundAck: "Ack", RoundComplaint: "Complaint"}
	if r < RoundHello || int(r) >= len(names) {
		return fmt.Sprintf("round %d", uint8(r))
	}
	return names[r]
}

// message is a signed message as it travels:
//
//	version u16 ‖ round u8 ‖ session 32 ‖ sender u64 ‖ scheme u8 ‖ u32 body ‖ u32 signature
type message struct {
	round   Round
	session Session
	sender  keyshare.Index
	scheme  Scheme
	body    []byte
	sig     []byte

	bodyHash [32]byte
	digest   [32]byte // of all but the signature: what is signed, and what the message is known by
	raw      []byte   // as it travels
}

// signatureSize is that of RSA-2048.
const signatureSize = 256

// messageOverhead is what a message has beyond its body.
const messageOverhead = 2 + 1 + 32 + 8 + 1 + 4 + 4 + signatureSize

// errMessage is what is wrong with bytes that are no message.
var errMessage = errors.New("dkg: not a message of this protocol")

// parseMessage decodes a message, whose signature it does not check.
func parseMessage(b []byte) (*message, error) {
	if len(b) > MaxMessage {
		return nil, fmt.Errorf("dkg: message of %d bytes, expected at most %d", len(b), MaxMessage)
	}
	r := &reader{b: b}
	if v := r.u16(); v != Version && !r.fault {
		return nil, &VersionError{Peer: v}
	}
	m := &message{round: Round(r.u8()), session: r.hash(), sender: keyshare.Index(r.u64()), scheme: Scheme(r.u8())}
	m.body, m.sig = r.counted(MaxMessage), r.counted(signatureSize)
	if !r.done() || m.round < RoundHello || m.round > RoundComplaint || len(m.sig) != signatureSize {
		return nil, errMessage
	}
	m.raw = b
	m.setDigest(sha256.Sum256(m.body))
	return m, nil
}

func (m *message) setDigest(body [32]byte) {
	m.bodyHash = body
	m.digest = tagHash(tagEnvelope, []byte{byte(m.round)}, m.session[:], be64(m.sender), []byte{byte(m.scheme)}, body[:])
}

// stub encodes a message with the hash of its body in place of the body: it shows what
// was signed, in a few bytes whatever the length of the message.
//
//	version u16 ‖ round u8 ‖ session 32 ‖ sender u64 ‖ scheme u8 ‖ SHA-256(body) 32 ‖ u32 signature
func (m *message) stub() []byte {
	w := &writer{}
	w.u16(Version)
	w.u8(uint8(m.round))
	w.raw(m.session[:])
	w.u64(uint64(m.sender))
	w.u8(uint8(m.scheme))
	w.raw(m.bodyHash[:])
	w.counted(m.sig)
	return w.b
}

// parseStub decodes a stub, whose signature it does not check.
func parseStub(b []byte) (*message, error) {
	r := &reader{b: b}
	version := r.u16()
	m := &message{round: Round(r.u8()), session: r.hash(), sender: keyshare.Index(r.u64()), scheme: Scheme(r.u8())}
	body := r.hash()
	m.sig = r.counted(signatureSize)
	if !r.done() || version != Version || m.round < RoundHello || m.round > RoundComplaint || len(m.sig) != signatureSize {
		return nil, errMessage
	}
	m.setDigest(body)
	return m, nil
}

// sign makes a message.
func sign(round Round, session Session, from Operator, key crypto.Signer, body []byte) (*message, error) {
	m := &message{round: round, session: session, sender: from.ID, scheme: from.Scheme, body: body}
	m.setDigest(sha256.Sum256(body))
	var err error
	if m.sig, err = signDigest(key, m.scheme, m.digest); err != nil {
		return nil, fmt.Errorf("dkg: sign the %s: %w", round, err)
	}
	if !m.verify(from) {
		return nil, fmt.Errorf("dkg: sign the %s: the signature does not verify under the key of operator %d", round, from.ID)
	}
	w := &writer{}
	w.u16(Version)
	w.u8(uint8(round))
	w.raw(session[:])
	w.u64(uint64(from.ID))
	w.u8(uint8(from.Scheme))
	w.counted(body)
	w.counted(m.sig)
	m.raw = w.b
	return m, nil
}

var pssOptions = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}

func signDigest(key crypto.Signer, scheme Scheme, digest [32]byte) ([]byte, error) {
	if scheme == PSS {
		return key.Sign(rand.Reader, digest[:], pssOptions)
	}
	return key.Sign(rand.Reader, digest[:], crypto.SHA256)
}

// verify reports whether the operator signed the message in its own scheme.
func (m *message) verify(by Operator) bool {
	if m.sender != by.ID || m.scheme != by.Scheme {
		return false
	}
	if m.scheme == PSS {
		return rsa.VerifyPSS(by.PublicKey, crypto.SHA256, m.digest[:], m.sig, pssOptions) == nil
	}
	return rsa.VerifyPKCS1v15(by.PublicKey, crypto.SHA256, m.digest[:], m.sig) == nil
}
