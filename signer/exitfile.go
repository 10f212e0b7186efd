package signer

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/claystack/dvkeys/internal/durable"
	"github.com/claystack/dvkeys/internal/eip2335"
	"github.com/claystack/dvkeys/internal/strictjson"
)

// ErrPassword says that a password does not open an encrypted exit, or that the
// file was changed.
var ErrPassword = eip2335.ErrPassword

// exitJSON is a SignedVoluntaryExit of the beacon API.
type exitJSON struct {
	Message struct {
		Epoch string `json:"epoch"`
		Index string `json:"validator_index"`
	} `json:"message"`
	Signature string `json:"signature"`
}

// MarshalJSON returns the body of a POST to /eth/v1/beacon/pool/voluntary_exits:
//
//	{"message":{"epoch":"0","validator_index":"1"},"signature":"0x…"}
func (e SignedExit) MarshalJSON() ([]byte, error) {
	if e.Signature.IsZero() {
		return nil, errors.New("signer: exit: the signature is missing")
	}
	var v exitJSON
	v.Message.Epoch = strconv.FormatUint(e.Exit.Epoch, 10)
	v.Message.Index = strconv.FormatUint(e.Exit.ValidatorIndex, 10)
	v.Signature = e.Signature.String()
	return json.Marshal(v)
}

// UnmarshalJSON reads what MarshalJSON writes: all of its keys, none twice and no
// others, and numbers without sign or leading zero. It does not verify the
// signature.
func (e *SignedExit) UnmarshalJSON(b []byte) error {
	top, err := members(b, "message", "signature")
	if err != nil {
		return fmt.Errorf("signer: exit: %w", err)
	}
	message, err := members(top["message"], "epoch", "validator_index")
	if err != nil {
		return fmt.Errorf("signer: exit: message: %w", err)
	}
	var read SignedExit
	for name, v := range map[string]*uint64{"epoch": &read.Exit.Epoch, "validator_index": &read.Exit.ValidatorIndex} {
		var s string
		if json.Unmarshal(message[name], &s) != nil {
			return fmt.Errorf("signer: exit: %s: is not a string", name)
		}
		if *v, err = strconv.ParseUint(s, 10, 64); err != nil || strconv.FormatUint(*v, 10) != s {
			return fmt.Errorf("signer: exit: %s: is %.40q, a decimal number less than 2^64 expected", name, s)
		}
	}
	var s string
	if json.Unmarshal(top["signature"], &s) != nil {
		return errors.New("signer: exit: signature: is not a string")
	}
	if err := read.Signature.UnmarshalText([]byte(s)); err != nil {
		return fmt.Errorf("signer: exit: signature: %w", err)
	}
	*e = read
	return nil
}

// members returns the members of an object that has exactly those of the given names.
func members(b []byte, names ...string) (map[string]json.RawMessage, error) {
	found, err := strictjson.Object(b)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if _, ok := found[name]; !ok {
			return nil, fmt.Errorf("%s is missing", name)
		}
	}
	if len(found) != len(names) {
		return nil, fmt.Errorf("has %d members, %d expected: %q", len(found), len(names), names)
	}
	return found, nil
}

// keystoreJSON is a keystore of EIP-2335 around an exit.
type keystoreJSON struct {
	Version     int             `json:"version"`
	UUID        string          `json:"uuid"`
	Description string          `json:"description"`
	Path        string          `json:"path"`
	PublicKey   string          `json:"pubkey"`
	Crypto      *eip2335.Crypto `json:"crypto"`
}

// Encrypt returns the exit as a keystore of EIP-2335 whose secret is the JSON that
// MarshalJSON returns, with an empty path and no public key. That is what Lido's
// validator ejector reads, with the same password for all files of its folder. The
// password is 1 to 4096 bytes of UTF-8. The key is derived by PBKDF2 with 262,144
// iterations, since the ejector takes nothing else; scrypt would make guessing harder,
// so let the password be a random one.
func (e *SignedExit) Encrypt(password []byte) ([]byte, error) {
	plain, err := e.MarshalJSON()
	if err != nil {
		return nil, err
	}
	c, err := eip2335.Encrypt(plain, password, &eip2335.Options{KDF: eip2335.PBKDF2})
	if err != nil {
		return nil, fmt.Errorf("signer: exit: %w", err)
	}
	var id [16]byte
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // RFC 9562, version 4
	return json.Marshal(keystoreJSON{
		Version:     4,
		UUID:        fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]),
		Description: "voluntary exit of validator " + strconv.FormatUint(e.Exit.ValidatorIndex, 10),
		Crypto:      c,
	})
}

// ParseExit reads an exit's file: the JSON of the beacon API, or what Encrypt
// returns, for which the password is needed. A wrong password is ErrPassword. It does
// not verify the signature; see [SignedExit.Verify].
func ParseExit(file, password []byte) (*SignedExit, error) {
	file = bytes.TrimSpace(file)
	top, err := strictjson.Object(file)
	if err != nil {
		return nil, fmt.Errorf("signer: exit: the file %w", err)
	}
	e := new(SignedExit)
	if top["crypto"] == nil {
		return e, e.UnmarshalJSON(file)
	}
	if string(top["version"]) != "4" {
		return nil, fmt.Errorf("signer: exit: the keystore has version %.20s, 4 expected", top["version"])
	}
	var c eip2335.Crypto
	if err := c.UnmarshalJSON(top["crypto"]); err != nil {
		return nil, fmt.Errorf("signer: exit: %w", err)
	}
	plain, err := c.Decrypt(password)
	if err != nil {
		return nil, fmt.Errorf("signer: exit: %w", err)
	}
	defer plain.Destroy()
	return e, e.UnmarshalJSON(bytes.TrimSpace(plain.Bytes()))
}

// WriteExits writes one file per exit into a folder and returns their paths:
// signed_exit_transaction-<validator index>-<unix seconds>.json, as deposit-cli names
// them, readable by the owner only. With a password they are encrypted; nil writes
// the beacon API's JSON. An exit without a signature, or two of one validator, are an
// error before anything is written. A file that exists is left alone: the error wraps
// fs.ErrExist, and the paths are those that were written before.
func WriteExits(dir string, exits []*SignedExit, password []byte) (paths []string, err error) {
	of := make(map[uint64]int, len(exits))
	for i, e := range exits {
		switch {
		case e == nil:
			return nil, fmt.Errorf("signer: exits[%d]: is missing", i)
		case e.Signature.IsZero():
			return nil, fmt.Errorf("signer: exits[%d]: the signature is missing", i)
		}
		if first, twice := of[e.Exit.ValidatorIndex]; twice {
			return nil, fmt.Errorf("signer: exits[%d]: is of validator %d, as is exits[%d]", i, e.Exit.ValidatorIndex, first)
		}
		of[e.Exit.ValidatorIndex] = i
	}
	now := time.Now().Unix()
	for _, e := range exits {
		encode := e.MarshalJSON
		if password != nil {
			encode = func() ([]byte, error) { return e.Encrypt(password) }
		}
		file, err := encode()
		if err != nil {
			return paths, err
		}
		path := filepath.Join(dir, fmt.Sprintf("signed_exit_transaction-%d-%d.json", e.Exit.ValidatorIndex, now))
		if err := durable.Create(path, file, 0o400); err != nil {
			return paths, fmt.Errorf("signer: exit: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}
