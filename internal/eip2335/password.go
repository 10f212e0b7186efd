package eip2335

import (
	"bytes"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/claystack/dvkeys/internal/secret"
)

// maxPassword is the length in bytes of the longest password. It bounds the locked memory that one takes.
const maxPassword = 4096

// nfkdGrowth is how many times longer UTF-8 text can become by NFKD: U+FDFA has 3 bytes, and 33 normalised.
const nfkdGrowth = 11

// NFKD returns the text in Unicode's normalisation form KD, in guarded memory: shared with the mnemonics of BIP-39. Bytes
// that are not UTF-8 stay as they are.
func NFKD(text []byte) (*secret.Buffer, error) {
	if len(text) > maxPassword {
		return nil, fmt.Errorf("has %d bytes, expected at most %d", len(text), maxPassword)
	}
	work, err := secret.New(nfkdGrowth * len(text))
	if err != nil {
		return nil, err
	}
	defer work.Destroy()
	return secret.Copy(appendNFKD(work.Bytes()[:0], text))
}

// appendNFKD writes the normalised text into the capacity of out.
func appendNFKD(out, text []byte) []byte { return norm.NFKD.Append(out, text...) }

// normalize applies EIP-2335's rule for passwords: NFKD, then no control characters (C0, C1 and DEL).
func normalize(password []byte) (*secret.Buffer, error) {
	buf, err := NFKD(password)
	if err != nil {
		return nil, fmt.Errorf("password %w", err)
	}
	defer buf.Destroy()
	text := buf.Bytes()
	kept := text[:0]
	for len(text) > 0 {
		c, n := utf8.DecodeRune(text)
		if !unicode.IsControl(c) {
			kept = append(kept, text[:n]...)
		}
		text = text[n:]
	}
	return secret.Copy(kept)
}

// checkPassword refuses a normalised password that some tools would read as another.
func checkPassword(raw, normalized []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("eip2335: password is not UTF-8")
	}
	if len(normalized) == 0 {
		return errors.New("eip2335: password is empty")
	}
	if len(bytes.TrimSpace(normalized)) != len(normalized) {
		return errors.New("eip2335: password begins or ends with a space, which some tools remove")
	}
	return nil
}
