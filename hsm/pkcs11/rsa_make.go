//go:build cgo && unix

package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"math/big"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/secret"
)

// rsaBits is the size of an operator's RSA key on the SSV network; its public exponent is 65537.
const rsaBits = 2048

// GenerateRSA makes an RSA-2048 key pair with a label in the token: sensitive, not extractable, for decryption and
// signatures. It is tried out before it is returned. If the label is taken, the error is hsm.ErrExists.
func (t *Token) GenerateRSA(ctx context.Context, label string) (*RSAKey, error) {
	if err := t.checkFree(ctx, label); err != nil {
		return nil, err
	}
	id := make([]byte, 16)
	rand.Read(id)
	_, err := withCrypto11(ctx, t, t.device.module.changing, fmt.Sprintf("generating RSA key %q", label), func(c *crypto11.Context) (struct{}, error) {
		return struct{}{}, generateRSA(c, id, label)
	})
	if err != nil {
		return nil, err
	}
	return t.tryRSA(ctx, label, nil)
}

// generateRSA makes a key pair unless there is one with the CKA_ID: crypto11 reads the public key after it has made the
// pair, and when the session is lost in between, the call is made again.
func generateRSA(c *crypto11.Context, id []byte, label string) error {
	made, err := c.FindRSAPrivateKeys(id, nil)
	if err != nil || len(made) > 0 {
		return err
	}
	public, err := crypto11.NewAttributeSetWithIDAndLabel(id, []byte(label))
	if err != nil {
		return err
	}
	private := public.Copy()
	private.AddIfNotPresent(privateRSA())
	_, err = c.GenerateRSAKeyPairWithAttributes(public, private, rsaBits)
	return err
}

// privateRSA are the attributes of an operator's private key.
func privateRSA() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_DECRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		pkcs11.NewAttribute(pkcs11.CKA_UNWRAP, false),
	}
}

// ImportRSA stores an RSA-2048 key pair that exists outside, under a label, such that it cannot be read out again. It is
// tried out before it is returned. If the label is taken, the error is hsm.ErrExists.
//
// A key that was outside is only as safe as what became of its copies. This call itself leaves some in memory that the
// garbage collector and github.com/miekg/pkcs11 free without wiping, so import on a machine that signs nothing, or
// generate the key in the token.
func (t *Token) ImportRSA(ctx context.Context, label string, k *rsa.PrivateKey) (*RSAKey, error) {
	if k == nil || k.N.BitLen() != rsaBits || k.E != 65537 || len(k.Primes) != 2 {
		return nil, fmt.Errorf("pkcs11: import of RSA key %q: expected a key of %d bits with two primes and the exponent 65537", label, rsaBits)
	}
	if err := k.Validate(); err != nil {
		return nil, fmt.Errorf("pkcs11: import of RSA key %q: its parts do not belong together", label)
	}
	if err := t.checkFree(ctx, label); err != nil {
		return nil, err
	}
	k.Precompute()
	id := make([]byte, 16)
	rand.Read(id)
	err := useAlone(ctx, t.device, fmt.Sprintf("importing RSA key %q", label), func(session pkcs11.SessionHandle) error {
		return t.createRSA(session, id, label, k)
	})
	if err != nil {
		return nil, err
	}
	return t.tryRSA(ctx, label, &k.PublicKey)
}

// createRSA makes the two objects of an imported key pair, unless they are there with the CKA_ID: when the session is lost
// between the two, the call is made again.
func (t *Token) createRSA(session pkcs11.SessionHandle, id []byte, label string, k *rsa.PrivateKey) error {
	common := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RSA),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
		pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS, k.N.Bytes()),
		pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(k.E)).Bytes()),
	}
	public := append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
	}, common...)
	private := append([]*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}, common...)
	private = append(private, privateRSA()...)
	for attribute, n := range map[uint]*big.Int{
		pkcs11.CKA_PRIVATE_EXPONENT: k.D, pkcs11.CKA_PRIME_1: k.Primes[0], pkcs11.CKA_PRIME_2: k.Primes[1],
		pkcs11.CKA_EXPONENT_1: k.Precomputed.Dp, pkcs11.CKA_EXPONENT_2: k.Precomputed.Dq, pkcs11.CKA_COEFFICIENT: k.Precomputed.Qinv,
	} {
		b := n.Bytes()
		private = append(private, pkcs11.NewAttribute(attribute, b))
		defer secret.Wipe(b)
	}
	for _, object := range [][]*pkcs11.Attribute{private, public} { // each has its class first
		made, err := t.device.search(session, object[0], pkcs11.NewAttribute(pkcs11.CKA_ID, id))
		if err == nil && len(made) == 0 {
			_, err = t.device.module.raw.CreateObject(session, object)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// checkFree refuses a label that makes no sense or is taken.
func (t *Token) checkFree(ctx context.Context, label string) error {
	if err := hsm.CheckLabel(label); err != nil {
		return err
	}
	if label == "" {
		return errors.New("pkcs11: an RSA key needs a label")
	}
	found, err := use(ctx, t.device, "looking up private keys", func(session pkcs11.SessionHandle) (int, error) {
		handles, err := t.find(session, pkcs11.CKO_PRIVATE_KEY, label)
		return len(handles), err
	}, nil)
	if err == nil && found > 0 {
		err = &Error{Fault: fmt.Sprintf("a private key with the label %q is in the token %q already", label, t.label()), Remedy: "choose another label, or use that key", is: hsm.ErrExists}
	}
	return err
}

// tryRSA returns a key that was just made, after it decrypted something. Its public key must be the expected one, if given.
func (t *Token) tryRSA(ctx context.Context, label string, expected *rsa.PublicKey) (*RSAKey, error) {
	k := t.RSA(label)
	public, err := k.PublicKey(ctx)
	if err != nil {
		return nil, err
	}
	message := make([]byte, 32)
	rand.Read(message)
	//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
	sealed, err := rsa.EncryptPKCS1v15(rand.Reader, public, message)
	if err != nil {
		return nil, fmt.Errorf("pkcs11: RSA key %q: %w", label, err)
	}
	opened, err := k.Decrypt(nil, sealed, nil)
	if err != nil && !errors.Is(err, ErrDecrypt) {
		return nil, err
	}
	if err != nil || !bytes.Equal(opened, message) || expected != nil && !public.Equal(expected) {
		return nil, &Error{Fault: fmt.Sprintf("RSA key %q was stored and does not work", label), Remedy: "see that the token allows CKM_RSA_PKCS for decryption, which some do not in FIPS mode", is: hsm.ErrDenied}
	}
	return k, nil
}
