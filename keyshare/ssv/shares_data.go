package ssv

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/claystack/dvkeys/keyshare"
)

// SharesData is the blob that a registration carries on chain: the signature
// that binds validator, owner and nonce, and every operator's encrypted share.
type SharesData struct {
	// Signature is the validator's over [OwnerNonceRoot].
	Signature keyshare.Signature
	// Shares are in ascending order of operator ids.
	Shares []keyshare.Sealed
}

// SharesDataLen returns the length in bytes of the sharesData of n operators:
// 96 + 304n, that is 1312, 2224, 3136 and 4048 for the four cluster sizes.
func SharesDataLen(n int) int {
	return keyshare.SignatureSize + n*(keyshare.PublicKeySize+keyshare.SealedSize)
}

// ParseSharesData splits sharesData into its parts: the signature (96 bytes,
// compressed G2), each operator's share public key (48 bytes, compressed G1),
// each operator's ciphertext (256 bytes). The blob does not say whose shares it
// holds: ids names the operators, in the order of the blob. It must have exactly
// [SharesDataLen] bytes, and every point must be valid. The error is one
// *[VerifyError] for each fault, joined. Nothing is verified here but the form;
// [Verify] does the rest.
func ParseSharesData(b []byte, ids []keyshare.Index) (*SharesData, error) {
	r := newFaults(-1)
	s := r.sharesData(b, ids, "sharesData")
	if err := r.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Bytes returns the blob, [SharesDataLen] bytes. A share whose ciphertext has
// not 256 bytes, or without a public key, is an error.
func (s *SharesData) Bytes() ([]byte, error) {
	if s.Signature.IsZero() {
		return nil, errors.New("ssv: sharesData: no owner nonce signature")
	}
	out := make([]byte, 0, SharesDataLen(len(s.Shares)))
	signature := s.Signature.Bytes()
	out = append(out, signature[:]...)
	for _, share := range s.Shares {
		if share.PublicKey.IsZero() {
			return nil, fmt.Errorf("ssv: sharesData: operator %d has no share public key", share.ID)
		}
		key := share.PublicKey.Bytes()
		out = append(out, key[:]...)
	}
	for _, share := range s.Shares {
		if n := len(share.Ciphertext); n != keyshare.SealedSize {
			return nil, fmt.Errorf("ssv: sharesData: operator %d has a ciphertext of %d bytes, want %d", share.ID, n, keyshare.SealedSize)
		}
		out = append(out, share.Ciphertext...)
	}
	return out, nil
}

// sharesData decodes and adds the faults. It returns nil only when the length
// is wrong; a part that is no valid point is left zero.
func (r *faults) sharesData(b []byte, ids []keyshare.Index, path string) *SharesData {
	n := len(ids)
	if len(b) != SharesDataLen(n) {
		r.add(path, "has %d bytes, want %d for %d operators", len(b), SharesDataLen(n), n)
		return nil
	}
	s := &SharesData{Shares: make([]keyshare.Sealed, n)}
	var err error
	if s.Signature, err = keyshare.ParseSignature(b[:keyshare.SignatureSize]); err != nil {
		r.add(path+".signature", "%s", cause(err))
	}
	keys, ciphertexts := b[keyshare.SignatureSize:], b[keyshare.SignatureSize+n*keyshare.PublicKeySize:]
	for i, id := range ids {
		share := &s.Shares[i]
		share.ID = id
		share.Ciphertext = bytes.Clone(ciphertexts[i*keyshare.SealedSize:][:keyshare.SealedSize])
		if share.PublicKey, err = keyshare.ParsePublicKey(keys[i*keyshare.PublicKeySize:][:keyshare.PublicKeySize]); err != nil {
			r.add(fmt.Sprintf("%s.publicKeys[%d]", path, i), "of operator %d: %s", id, cause(err))
		}
	}
	return s
}

// checkCiphertext tells whether RSA decryption with the operator's key, which
// is sound, can succeed at all.
func checkCiphertext(c []byte, o keyshare.Operator) error {
	x := new(big.Int).SetBytes(c)
	switch {
	case len(c) != keyshare.SealedSize:
		return fmt.Errorf("has %d bytes, want %d", len(c), keyshare.SealedSize)
	case x.BitLen() < 2:
		return fmt.Errorf("is the number %d, no encryption", x)
	case x.Cmp(o.PublicKey.N) >= 0:
		return errors.New("is no smaller than the operator's modulus: not encrypted to this key")
	}
	return nil
}

// cause is the text of an error of package keyshare without its prefix.
func cause(err error) string { return strings.TrimPrefix(err.Error(), "keyshare: ") }
