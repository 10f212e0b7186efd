//go:build cgo && unix

package pkcs11

import (
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/store"
	"github.com/claystack/dvkeys/internal/secret"
)

// The sealed bytes of a record are
//
//	version(1) length of the KEK's label(1) KEK's label IV(12) ciphertext(32) tag(16)
//
// and the associated data of AES-GCM
//
//	"dvkeys/pkcs11 key record" version(1) public key(48) length of the KEK's label(1) KEK's label record's label
//
// so that a record that was moved to another public key or label does not open.
const recordVersion = 1

func recordContext(r store.Record, kek string) []byte {
	context := append([]byte("dvkeys/pkcs11 key record"), recordVersion)
	context = append(context, r.PublicKey[:]...)
	context = append(context, byte(len(kek)))
	context = append(context, kek...)
	return append(context, r.Label...)
}

// cutRecord returns the label of the KEK that sealed a record, and IV, ciphertext and tag.
func cutRecord(r store.Record) (kek string, sealed []byte, err error) {
	b := r.Sealed
	switch {
	case len(b) < 2 || b[0] != recordVersion:
		err = fmt.Errorf("is not of version %d: it was written by another version of this library", recordVersion)
	case b[1] == 0 || b[1] > maxKEKLabel || len(b) != 2+int(b[1])+ivSize+32+tagSize:
		err = fmt.Errorf("has %d bytes, which is not what its parts add up to", len(b))
	}
	if err != nil {
		return "", nil, corrupt(r, err)
	}
	return string(b[2 : 2+b[1]]), b[2+b[1]:], nil
}

func corrupt(r store.Record, err error) error {
	return &Error{Fault: fmt.Sprintf("record of key %#x with the label %q %v", r.PublicKey, r.Label, err), Remedy: "restore it from a copy of the store", is: hsm.ErrCorrupt}
}

// seal encrypts a secret for a record under a KEK.
func (t *Token) seal(session pkcs11.SessionHandle, r store.Record, kek string, plain []byte) ([]byte, error) {
	k, err := t.kek(session, kek)
	if err != nil {
		return nil, err
	}
	sealed, err := t.encrypt(session, k.handle, recordContext(r, kek), plain)
	if err != nil {
		return nil, err
	}
	return append(append([]byte{recordVersion, byte(len(kek))}, kek...), sealed...), nil
}

// unseal decrypts a record into guarded memory: see plaintext.
func (t *Token) unseal(session pkcs11.SessionHandle, r store.Record) (*secret.Buffer, error) {
	label, sealed, err := cutRecord(r)
	if err != nil {
		return nil, err
	}
	k, err := t.kek(session, label)
	if err != nil {
		return nil, err
	}
	plain, err := t.decrypt(session, k.handle, recordContext(r, label), sealed)
	if err == nil {
		return plain, nil
	}
	switch classify(err) {
	case other:
		// How a token says that a tag is wrong is not standardized well, so codes that mean nothing else are taken for it.
		if code := (pkcs11.Error)(0); !errors.As(err, &code) {
			return nil, err
		}
		fallthrough
	case vague:
		// SoftHSM's word for a wrong tag is CKR_GENERAL_ERROR, which may mean anything. A key that can still open its
		// probe is not at fault.
		probe, perr := t.decrypt(session, k.handle, probeContext, k.probe)
		if perr != nil {
			return nil, perr
		}
		probe.Destroy()
	case badData:
	default:
		return nil, err
	}
	return nil, corrupt(r, fmt.Errorf("does not open with key-encryption key %q: it was altered, or belongs to another public key, label or token", label))
}
