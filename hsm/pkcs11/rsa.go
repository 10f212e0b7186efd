//go:build cgo && unix

package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"math/big"
	"sync"
	"time"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/internal/secret"
)

// RSAKey is an RSA key pair in the token: the identity of an SSV operator. It implements crypto.Decrypter, with which
// keyshare.Open and ssv.OpenShare open shares that are sealed to it, and crypto.Signer. The private key never leaves the
// token. It is safe for concurrent use.
//
// The interfaces take no context; their calls give up after 30 seconds.
type RSAKey struct {
	token *Token
	label string

	mu   sync.Mutex
	pair rsaPair
	era  uint64
}

// rsaPair is what was found in the token under a key's label.
type rsaPair struct {
	private pkcs11.ObjectHandle
	public  *rsa.PublicKey // nil until it was read
}

// rsaPatience bounds calls that take no context.
const rsaPatience = 30 * time.Second

// ErrDecrypt is what Decrypt returns for every ciphertext that does not decrypt, whatever is wrong with it.
var ErrDecrypt = errors.New("pkcs11: the ciphertext does not decrypt with this RSA key")

// RSA returns the RSA key pair with a label. The token is asked when the key is first used: see [RSAKey.PublicKey] to find
// out whether it is there.
func (t *Token) RSA(label string) *RSAKey { return &RSAKey{token: t, label: label} }

// String names the key by its label.
func (k *RSAKey) String() string { return fmt.Sprintf("RSA key %q in %s", k.label, k.token) }

// PublicKey reads the public key from the token, once. ssv.FormatOperatorKey writes it as the SSV network does. A missing
// key is hsm.ErrNotFound; one that could leave the token, or whose label another one has too, is hsm.ErrDenied.
func (k *RSAKey) PublicKey(ctx context.Context) (*rsa.PublicKey, error) {
	k.mu.Lock()
	pair := k.pair
	k.mu.Unlock()
	if pair.public != nil {
		return pair.public, nil
	}
	pair, err := use(ctx, k.token.device, k.doing("looking up"), k.find, nil)
	return pair.public, err
}

// Public implements crypto.Decrypter and crypto.Signer: it returns the *rsa.PublicKey, or nil if the token does not give
// it.
func (k *RSAKey) Public() crypto.PublicKey {
	ctx, cancel := context.WithTimeout(context.Background(), rsaPatience)
	defer cancel()
	public, err := k.PublicKey(ctx)
	if err != nil {
		return nil
	}
	return public
}

func (k *RSAKey) doing(what string) string { return fmt.Sprintf("%s RSA key %q", what, k.label) }

// find returns the key pair. It looks the key up and checks its attributes once for each era of the device.
func (k *RSAKey) find(session pkcs11.SessionHandle) (rsaPair, error) {
	t := k.token
	era := t.device.currentEra()
	k.mu.Lock() // not while the token is asked, which may hang
	known, current := k.pair, k.era == era
	k.mu.Unlock()
	if known.public != nil && current {
		return known, nil
	}
	handles, err := t.find(session, pkcs11.CKO_PRIVATE_KEY, k.label)
	if err == nil {
		err = k.only(len(handles))
	}
	if err != nil {
		return rsaPair{}, err
	}
	public, err := t.readRSA(session, k.label, handles[0])
	if err != nil {
		return rsaPair{}, err
	}
	if known.public != nil && !known.public.Equal(public) {
		return rsaPair{}, &Error{Fault: fmt.Sprintf("RSA key %q is another one than before", k.label), Remedy: "insert the right token", is: hsm.ErrDenied}
	}
	pair := rsaPair{private: handles[0], public: public}
	k.mu.Lock()
	k.pair, k.era = pair, era
	k.mu.Unlock()
	return pair, nil
}

// only returns an error unless one private key has the label.
func (k *RSAKey) only(found int) error {
	switch found {
	case 0:
		return &Error{Fault: fmt.Sprintf("RSA key %q is not in the token %q", k.label, k.token.label()), Remedy: "generate it with GenerateRSA, import it, or insert the right token", is: hsm.ErrNotFound}
	case 1:
		return nil
	}
	return &Error{Fault: fmt.Sprintf("%d private keys with the label %q are in the token %q", found, k.label, k.token.label()), Remedy: "rename all but the right one", is: hsm.ErrDenied}
}

// readRSA returns the public key of a private key object, after checking that the private key cannot be read.
func (t *Token) readRSA(session pkcs11.SessionHandle, label string, key pkcs11.ObjectHandle) (*rsa.PublicKey, error) {
	raw := t.device.module.raw
	got, err := raw.GetAttributeValue(session, key, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, nil), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, nil), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, nil),
	})
	if err != nil {
		return nil, err
	}
	refuse := func(fault, remedy string) error {
		return &Error{Fault: fmt.Sprintf("private key %q %s", label, fault), Remedy: remedy, is: hsm.ErrDenied}
	}
	if !bytes.Equal(got[0].Value, pkcs11.NewAttribute(0, pkcs11.CKK_RSA).Value) {
		return nil, refuse("is not an RSA key", "use another label")
	}
	if !bytes.Equal(got[1].Value, []byte{1}) || !bytes.Equal(got[2].Value, []byte{0}) {
		return nil, refuse("can be read out of the token", "generate one that is sensitive and not extractable, with GenerateRSA")
	}
	got, err = raw.GetAttributeValue(session, key, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS, nil), pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, nil),
	})
	if err != nil {
		return nil, err
	}
	exponent := new(big.Int).SetBytes(got[1].Value)
	if exponent.BitLen() > 31 || exponent.Sign() == 0 {
		return nil, refuse("has no public exponent of up to 31 bits", "use a key with the exponent 65537")
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(got[0].Value), E: int(exponent.Int64())}, nil
}

// Decrypt implements crypto.Decrypter for RSAES-PKCS1-v1_5, which is what the SSV network uses: options are nil or
// *rsa.PKCS1v15DecryptOptions, whose SessionKeyLen is not supported. The randomness is not used. The plaintext is the
// caller's to wipe; until it is copied there it is in guarded memory alone.
//
// Every ciphertext that does not decrypt is ErrDecrypt, and what this package does after the token has answered is the
// same whether it did or not. How long the token takes over a wrong padding is its own matter: whoever lets others send
// ciphertexts should not let them see what came of each.
func (k *RSAKey) Decrypt(_ io.Reader, ciphertext []byte, options crypto.DecrypterOpts) ([]byte, error) {
	//lint:ignore SA1019 PKCS #1 v1.5 is what the SSV network encrypts shares with
	if o, ok := options.(*rsa.PKCS1v15DecryptOptions); options != nil && (!ok || o != nil && o.SessionKeyLen != 0) {
		return nil, fmt.Errorf("pkcs11: decryption with options %T, expected *rsa.PKCS1v15DecryptOptions without SessionKeyLen", options)
	}
	ctx, cancel := context.WithTimeout(context.Background(), rsaPatience)
	defer cancel()
	ciphertext = bytes.Clone(ciphertext) // for a call that may go on after this one has returned
	return use(ctx, k.token.device, k.doing("decrypting with"), func(session pkcs11.SessionHandle) ([]byte, error) {
		pair, err := k.find(session)
		if err != nil {
			return nil, err
		}
		if len(ciphertext) != pair.public.Size() {
			return nil, ErrDecrypt
		}
		room, err := secret.New(len(ciphertext))
		if err != nil {
			return nil, err
		}
		defer room.Destroy()
		n, err := k.token.device.module.cryptoki.decrypt(session, pair.private, pkcs11.CKM_RSA_PKCS, ciphertext, room.Bytes())
		plain := make([]byte, room.Len())
		for i, b := range room.Bytes() { // all of it, whatever came; see plaintext for why not at once
			plain[i] = b
		}
		if err != nil {
			n = 0
		}
		plain, written := written(plain, n)
		switch class := classify(err); {
		case err == nil && written:
			return plain, nil
		case err == nil, class == badData, class == vague, class == other:
			return nil, ErrDecrypt
		}
		return nil, err
	}, secret.Wipe)
}

// written returns the n bytes of plain that the module says it has written, and wipes the rest. A faulty module may say
// anything of n.
func written(plain []byte, n int) ([]byte, bool) {
	if n < 0 || n > len(plain) {
		secret.Wipe(plain)
		return nil, false
	}
	secret.Wipe(plain[n:])
	return plain[:n], true
}

// Sign implements crypto.Signer for a digest: RSASSA-PKCS1-v1_5, or RSASSA-PSS with *rsa.PSSOptions, where the salt is as
// long as the hash unless given. The randomness is the token's own.
func (k *RSAKey) Sign(_ io.Reader, digest []byte, options crypto.SignerOpts) ([]byte, error) {
	if options == nil || !options.HashFunc().Available() || len(digest) != options.HashFunc().Size() {
		return nil, errors.New("pkcs11: signature with RSA: expected options that name a hash that is linked in, and a digest of its size")
	}
	if pss, ok := options.(*rsa.PSSOptions); ok && pss.SaltLength == rsa.PSSSaltLengthAuto {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: pss.Hash}
	}
	ctx, cancel := context.WithTimeout(context.Background(), rsaPatience)
	defer cancel()
	if _, err := k.PublicKey(ctx); err != nil {
		return nil, err
	}
	digest = bytes.Clone(digest)
	return withCrypto11(ctx, k.token, k.token.device.module.during, k.doing("signing with"), func(c *crypto11.Context) ([]byte, error) {
		private, err := c.FindRSAPrivateKeys(nil, []byte(k.label))
		if err == nil {
			err = k.only(len(private))
		}
		if err != nil {
			return nil, err
		}
		return private[0].Sign(nil, digest, options)
	})
}
