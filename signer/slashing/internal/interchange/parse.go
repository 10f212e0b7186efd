// Package interchange reads and writes the slashing protection interchange format, version 5 (EIP-3076).
package interchange

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
)

// version is the only one that there is in practice.
const version = "5"

// Validator is one validator's part of a file. Its history has entries only, no marks.
type Validator struct {
	Key    keyshare.PublicKey
	Blocks []history.Block
	Votes  []history.Vote
}

// Parse reads a whole file, which has to be of the chain with the given genesis validators root. A validator that
// occurs several times is united. Nothing is taken of a file that has a fault: no key of an object may be missing or
// occur twice; numbers are decimal strings without sign or leading zero, at most history.Limit; roots have 32 bytes,
// and one that is absent or null is unknown. Further keys are passed over.
func Parse(file []byte, genesisValidatorsRoot keyshare.Root) ([]Validator, error) {
	if !utf8.Valid(file) {
		return nil, errors.New("the file is not UTF-8")
	}
	p := parser{d: json.NewDecoder(bytes.NewReader(file)), index: map[keyshare.PublicKey]int{}}
	err := p.object(fields{"metadata": p.metadata, "data": func() error { return p.array(p.validator) }}, "metadata", "data")
	if err != nil {
		return nil, fmt.Errorf("%w (at byte %d of %d)", err, p.d.InputOffset(), len(file))
	}
	if _, err := p.d.Token(); err != io.EOF {
		return nil, fmt.Errorf("the file goes on after its end at byte %d", p.d.InputOffset())
	}
	if p.root != genesisValidatorsRoot {
		return nil, fmt.Errorf("the file is of the chain with the genesis validators root %v, %v expected", p.root, genesisValidatorsRoot)
	}
	for i := range p.validators {
		v := &p.validators[i]
		v.Blocks, v.Votes = history.MergeBlocks(v.Blocks), history.MergeVotes(v.Votes)
	}
	return p.validators, nil
}

type parser struct {
	d          *json.Decoder
	root       keyshare.Root
	validators []Validator
	index      map[keyshare.PublicKey]int
}

// fields are what reads the value of each key of an object.
type fields map[string]func() error

func (p *parser) object(f fields, required ...string) error {
	if err := p.open('{', "an object"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.d.More() {
		t, err := p.d.Token()
		if err != nil {
			return errNotJSON
		}
		key, _ := t.(string)
		if seen[key] {
			return fmt.Errorf("%.40q occurs twice", key)
		}
		seen[key] = true
		read, known := f[key]
		if !known {
			if err := p.d.Decode(new(json.RawMessage)); err != nil {
				return errNotJSON
			}
			continue
		}
		if err := read(); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	for _, key := range required {
		if !seen[key] {
			return fmt.Errorf("%s is missing", key)
		}
	}
	return p.close()
}

func (p *parser) array(element func() error) error {
	if err := p.open('[', "a list"); err != nil {
		return err
	}
	for i := 0; p.d.More(); i++ {
		if err := element(); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return p.close()
}

var errNotJSON = errors.New("is not JSON")

func (p *parser) open(delim json.Delim, what string) error {
	t, err := p.d.Token()
	if err != nil {
		return errNotJSON
	}
	if t != delim {
		return fmt.Errorf("is not %s", what)
	}
	return nil
}

func (p *parser) close() error {
	if _, err := p.d.Token(); err != nil {
		return errNotJSON
	}
	return nil
}

// text reads a string. null says that null stands there instead.
func (p *parser) text() (s string, null bool, err error) {
	t, err := p.d.Token()
	if err != nil {
		return "", false, errNotJSON
	}
	s, ok := t.(string)
	if !ok && t != nil {
		return "", false, errors.New("is not a string")
	}
	return s, t == nil, nil
}

func (p *parser) number(v *uint64) func() error {
	return func() error {
		s, _, err := p.text()
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil || n > history.Limit || strconv.FormatUint(n, 10) != s {
			return fmt.Errorf("is %.40q, a decimal number less than 2^63 expected", s)
		}
		*v = n
		return nil
	}
}

// hash reads 32 bytes. If known is not nil, null is taken and leaves it false.
func (p *parser) hash(v *[32]byte, known *bool) func() error {
	return func() error {
		s, null, err := p.text()
		if err != nil || null && known != nil {
			return err
		}
		digits, prefixed := strings.CutPrefix(s, "0x")
		b, err := hex.DecodeString(digits)
		if !prefixed || err != nil || len(b) != len(v) {
			return fmt.Errorf("is %.80q, 0x and 64 hex digits expected", s)
		}
		copy(v[:], b)
		if known != nil {
			*known = true
		}
		return nil
	}
}

func (p *parser) metadata() error {
	return p.object(fields{
		"interchange_format_version": func() error {
			s, _, err := p.text()
			if err == nil && s != version {
				err = fmt.Errorf("is %.40q, %q expected", s, version)
			}
			return err
		},
		"genesis_validators_root": p.hash((*[32]byte)(&p.root), nil),
	}, "interchange_format_version", "genesis_validators_root")
}

func (p *parser) validator() error {
	var v Validator
	err := p.object(fields{
		"pubkey": func() error {
			s, _, err := p.text()
			if err == nil {
				err = v.Key.UnmarshalText([]byte(s))
			}
			return err
		},
		"signed_blocks": func() error {
			return p.array(func() error {
				var b history.Block
				err := p.object(fields{"slot": p.number(&b.Slot), "signing_root": p.hash(&b.Root, &b.Rooted)}, "slot")
				v.Blocks = append(v.Blocks, b)
				return err
			})
		},
		"signed_attestations": func() error {
			return p.array(func() error {
				var a history.Vote
				err := p.object(fields{
					"source_epoch": p.number(&a.MinSource), "target_epoch": p.number(&a.Target),
					"signing_root": p.hash(&a.Root, &a.Rooted),
				}, "source_epoch", "target_epoch")
				a.MaxSource = a.MinSource
				v.Votes = append(v.Votes, a)
				return err
			})
		},
	}, "pubkey", "signed_blocks", "signed_attestations")
	if err != nil {
		return err
	}
	if i, again := p.index[v.Key]; again {
		p.validators[i].Blocks = append(p.validators[i].Blocks, v.Blocks...)
		p.validators[i].Votes = append(p.validators[i].Votes, v.Votes...)
		return nil
	}
	p.index[v.Key] = len(p.validators)
	p.validators = append(p.validators, v)
	return nil
}
