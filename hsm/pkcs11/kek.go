//go:build cgo && unix

package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/secret"
)

// kek is a key-encryption key as it was found in one era of the device.
type kek struct {
	handle pkcs11.ObjectHandle
	era    uint64
	probe  []byte // sealed by it: something that it must be able to open
}

// probeContext is what the probe is bound to. It is never empty: SoftHSM 2.6.1 built with assertions ends the process on
// empty associated data.
var probeContext = []byte("dvkeys/pkcs11 probe v1")

// kek returns the handle of the key-encryption key with a label. It looks the key up, checks its attributes and tries it
// out once for each era of the device.
func (t *Token) kek(session pkcs11.SessionHandle, label string) (*kek, error) {
	era := t.device.currentEra()
	t.kekMu.Lock()
	defer t.kekMu.Unlock()
	if k := t.keks[label]; k != nil && k.era == era {
		return k, nil
	}
	t.lookups.Add(1)
	handles, err := t.find(session, pkcs11.CKO_SECRET_KEY, label)
	if err != nil {
		return nil, err
	}
	switch {
	case len(handles) == 0:
		return nil, &Error{Fault: fmt.Sprintf("key-encryption key %q is not in the token %q", label, t.label()), Remedy: "insert the right token; to generate the key for a new store, set CreateKEK", is: errMissing}
	case len(handles) > 1:
		return nil, &Error{Fault: fmt.Sprintf("%d secret keys with the label %q are in the token %q", len(handles), label, t.label()), Remedy: "rename all but the right one; if in doubt, try one after the other: records open with one only", is: hsm.ErrDenied}
	}
	k := &kek{handle: handles[0], era: era}
	if err := t.checkKEK(session, label, k.handle); err != nil {
		return nil, err
	}
	if k.probe, err = t.tryKEK(session, label, k.handle); err != nil {
		return nil, err
	}
	t.keks[label] = k
	return k, nil
}

// find returns the objects of a class with a label.
func (t *Token) find(session pkcs11.SessionHandle, class uint, label string) ([]pkcs11.ObjectHandle, error) {
	return t.device.search(session, pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
}

// kekRules are what a key-encryption key must be. A key that may both decrypt and wrap gives out every other key of the
// token: it wraps the key and decrypts the result.
var kekRules = []struct {
	attribute uint
	name      string
	want      bool
	remedy    string
}{
	{pkcs11.CKA_SENSITIVE, "CKA_SENSITIVE", true, "use a key that was generated as sensitive"},
	{pkcs11.CKA_EXTRACTABLE, "CKA_EXTRACTABLE", false, "use a key that was generated as not extractable: whoever has the PIN can copy this one"},
	{pkcs11.CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", true, "use a key that was generated in the token: this one was readable once"},
	{pkcs11.CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", true, "use a key that was generated in the token: this one was extractable once, or came from outside"},
	{pkcs11.CKA_WRAP, "CKA_WRAP", false, "use a key of its own for wrapping: with one key for both, what it wraps can be decrypted"},
	{pkcs11.CKA_UNWRAP, "CKA_UNWRAP", false, "use a key of its own for unwrapping: with one key for both, a record can be unwrapped into an object that is readable"},
	{pkcs11.CKA_ENCRYPT, "CKA_ENCRYPT", true, "let the token's security officer allow it again"},
	{pkcs11.CKA_DECRYPT, "CKA_DECRYPT", true, "let the token's security officer allow it again"},
}

// checkKEK refuses a key that is not an AES-256 key for encryption and decryption alone that never leaves the token.
func (t *Token) checkKEK(session pkcs11.SessionHandle, label string, key pkcs11.ObjectHandle) error {
	refuse := func(fault, remedy string) error {
		return &Error{Fault: fmt.Sprintf("key-encryption key %q %s", label, fault), Remedy: remedy, is: hsm.ErrDenied}
	}
	raw := t.device.module.raw
	kind, err := raw.GetAttributeValue(session, key, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, nil), pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, nil),
	})
	if err != nil {
		return err
	}
	if !bytes.Equal(kind[0].Value, pkcs11.NewAttribute(0, pkcs11.CKK_AES).Value) || !bytes.Equal(kind[1].Value, pkcs11.NewAttribute(0, 32).Value) {
		return refuse("is not an AES key of 32 bytes", "use another label, or generate one with CreateKEK")
	}
	for _, rule := range kekRules {
		got, err := raw.GetAttributeValue(session, key, []*pkcs11.Attribute{pkcs11.NewAttribute(rule.attribute, nil)})
		if err != nil {
			return err
		}
		if is := len(got[0].Value) == 1 && got[0].Value[0] != 0; len(got[0].Value) != 1 || is != rule.want {
			return refuse(fmt.Sprintf("has %s = %t, expected %t", rule.name, is, rule.want), rule.remedy)
		}
	}
	return nil
}

// tryKEK encrypts and decrypts with a key, and sees that the token notices a change of the associated data and of the
// tag: the mechanism list and the attributes prove nothing. It returns what it encrypted.
func (t *Token) tryKEK(session pkcs11.SessionHandle, label string, key pkcs11.ObjectHandle) ([]byte, error) {
	plain, err := secret.Random(32)
	if err != nil {
		return nil, err
	}
	defer plain.Destroy()
	sealed, err := t.encrypt(session, key, probeContext, plain.Bytes())
	if err != nil {
		return nil, mechanismError(err, label)
	}
	opened, err := t.decrypt(session, key, probeContext, sealed)
	if err != nil {
		return nil, mechanismError(err, label)
	}
	defer opened.Destroy()
	wrong := &Error{Fault: fmt.Sprintf("AES-GCM with key-encryption key %q gives wrong results", label), Remedy: "the token or its module is faulty: do not use it", is: hsm.ErrDenied}
	if !bytes.Equal(plaintext(opened), plain.Bytes()) {
		return nil, wrong
	}
	otherTag := slices.Clone(sealed)
	otherTag[len(otherTag)-1] ^= 1
	for _, forged := range []struct{ context, sealed []byte }{{append(slices.Clone(probeContext), 0), sealed}, {probeContext, otherTag}} {
		if got, err := t.decrypt(session, key, forged.context, forged.sealed); err == nil {
			got.Destroy()
			return nil, wrong
		} else if c := classify(err); c != badData && c != vague && c != other {
			return nil, err
		}
	}
	return sealed, nil
}

// mechanismError says what it means if a token cannot use a key for AES-GCM.
func mechanismError(err error, label string) error {
	for _, code := range []uint{pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID, pkcs11.CKR_FUNCTION_NOT_SUPPORTED, pkcs11.CKR_ARGUMENTS_BAD} {
		if isCode(err, code) {
			return &Error{Fault: fmt.Sprintf("the token cannot encrypt with AES-GCM and key-encryption key %q", label), Remedy: "use a token that has CKM_AES_GCM with IVs of 12 bytes and tags of 16, or newer firmware", Code: code, is: hsm.ErrDenied}
		}
	}
	return err
}

// encrypt returns IV, ciphertext and tag.
func (t *Token) encrypt(session pkcs11.SessionHandle, key pkcs11.ObjectHandle, context, plain []byte) ([]byte, error) {
	sealed := make([]byte, ivSize+len(plain)+tagSize)
	iv, out := sealed[:ivSize], sealed[ivSize:]
	rand.Read(iv)
	n, err := t.device.module.cryptoki.encryptGCM(session, key, iv, context, plain, out)
	if err != nil {
		return nil, err
	}
	if n != len(out) {
		return nil, &Error{Fault: fmt.Sprintf("the token encrypted %d bytes to %d, expected %d", len(plain), n, len(out)), Remedy: "the token or its module is faulty: do not use it", is: hsm.ErrDenied}
	}
	return sealed, nil
}

// plaintext returns what decrypt wrote, where the module wrote it. It is not copied from there, because what copies bytes
// leaves them in registers, which the runtime saves on a stack when it interrupts a goroutine.
func plaintext(room *secret.Buffer) []byte { return room.Bytes()[:room.Len()-tagSize] }

// decrypt opens IV, ciphertext and tag into guarded memory, which has to have room for the tag too: see plaintext.
func (t *Token) decrypt(session pkcs11.SessionHandle, key pkcs11.ObjectHandle, context, sealed []byte) (*secret.Buffer, error) {
	if len(sealed) <= ivSize+tagSize {
		return nil, pkcs11.Error(pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE)
	}
	iv, body := sealed[:ivSize], sealed[ivSize:]
	room, err := secret.New(len(body))
	if err != nil {
		return nil, err
	}
	n, err := t.device.module.cryptoki.decryptGCM(session, key, iv, context, body, room.Bytes())
	if err == nil && n != len(body)-tagSize {
		err = pkcs11.Error(pkcs11.CKR_ENCRYPTED_DATA_INVALID)
	}
	if err != nil {
		room.Destroy()
		return nil, err
	}
	return room, nil
}

// generateKEK makes an AES-256 key in the token, which can encrypt and decrypt and never leaves it.
func (t *Token) generateKEK(ctx context.Context, label string) error {
	id := make([]byte, 16)
	rand.Read(id)
	return useAlone(ctx, t.device, fmt.Sprintf("generating key-encryption key %q", label), func(session pkcs11.SessionHandle) error {
		_, err := t.device.module.raw.GenerateKey(session, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_KEY_GEN, nil)}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
			pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32),
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
			pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
			pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
			pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
			pkcs11.NewAttribute(pkcs11.CKA_WRAP, false),
			pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
			pkcs11.NewAttribute(pkcs11.CKA_SIGN, false),
			pkcs11.NewAttribute(pkcs11.CKA_VERIFY, false),
			pkcs11.NewAttribute(pkcs11.CKA_DERIVE, false),
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
			pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		})
		return err
	})
}
