package plugin

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"

	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/keyshare"
)

// decode reads the object of a request, which Vault has parsed before.
func decode(req *logical.Request, v any) error {
	data := req.Data
	if data == nil {
		data = map[string]any{}
	}
	if err := exactNames(data); err != nil {
		return err
	}
	b, err := json.Marshal(data)
	if err != nil {
		return invalid("dvkeys: the request is no JSON object")
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return invalid("dvkeys: request: %v", err)
	}
	return nil
}

// exactNames refuses names of fields that are no names of ours but would be taken for one, since encoding/json ignores
// their case: what is asked for as ROOTS is not what the audit log is told to show as roots. Duties have a decoder that
// takes no other names.
func exactNames(v any) error {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if strings.ContainsFunc(name, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
				return invalid("dvkeys: request: unknown field %.40q", name)
			}
			if name == "duties" {
				continue
			}
			if err := exactNames(value); err != nil {
				return err
			}
		}
	case []any:
		for _, value := range v {
			if err := exactNames(value); err != nil {
				return err
			}
		}
	}
	return nil
}

// answer is an object as Vault passes it on.
func answer(v any) (*logical.Response, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	data := map[string]any{}
	if err := json.Unmarshal(b, &data); err != nil {
		return nil, err
	}
	return &logical.Response{Data: data}, nil
}

// maxName is the length of the longest name in bytes.
const maxName = 128

// nameForm is what namePattern takes where a name is in a path.
var nameForm = regexp.MustCompile("^" + namePattern)

// checkName refuses what can not be the name of a key.
func checkName(name string) error {
	switch {
	case !nameForm.MatchString(name):
		return invalid("dvkeys: name is not letters, digits, '_', '-' and '.', the last two in between only")
	case strings.Contains(name, ".."):
		return invalid("dvkeys: name has two dots in a row, which Vault takes for a way out of its storage")
	case len(name) > maxName:
		return invalid("dvkeys: name has %d bytes, at most %d expected", len(name), maxName)
	case isPublicKey(name):
		return invalid("dvkeys: name is a public key, which only keys/ takes, to read and to delete")
	}
	return nil
}

// isPublicKey reports whether what stands for a name is a public key.
func isPublicKey(name string) bool {
	digits, prefixed := strings.CutPrefix(name, "0x")
	return prefixed && len(digits) == 2*keyshare.PublicKeySize
}

func parsePublicKey(text string) (keyshare.PublicKey, error) {
	var pk keyshare.PublicKey
	if !isPublicKey(text) {
		return pk, invalid("dvkeys: public_key is not 0x and %d hex digits", 2*keyshare.PublicKeySize)
	}
	if err := pk.UnmarshalText([]byte(text)); err != nil {
		return pk, invalid("dvkeys: public_key: %v", err)
	}
	return pk, nil
}

func parseRoots(texts []string) ([]keyshare.Root, error) {
	roots := make([]keyshare.Root, len(texts))
	for i, text := range texts {
		digits, prefixed := strings.CutPrefix(text, "0x")
		b, err := hex.DecodeString(digits)
		if !prefixed || err != nil || len(b) != len(keyshare.Root{}) {
			return nil, invalid("dvkeys: roots: number %d is not 0x and 64 hex digits", i)
		}
		roots[i] = keyshare.Root(b)
	}
	return roots, nil
}
