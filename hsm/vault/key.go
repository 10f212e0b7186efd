package vault

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/hsm/vault/internal/wire"
	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/keyshare"
)

// key is a key in Vault: its name and public key. Every request carries both, so that a name that has become another
// key's since is noticed.
type key struct {
	backend *Backend
	name    string
	public  keyshare.PublicKey
}

func (k *key) PublicKey() keyshare.PublicKey { return k.public }

// String returns the public key.
func (k *key) String() string { return k.public.String() }

// GoString returns the public key.
func (k *key) GoString() string { return k.public.String() }

// What is being done, for errors.
const (
	generating = "generating a key"
	listing    = "listing keys"
	signing    = "signing"
	splitting  = "splitting a key"
)

// SignRoots has the engine sign roots, in requests of up to wire.MaxRoots. The engine's configuration and the token's
// policy must allow raw signing, which is not the default; otherwise the error wraps hsm.ErrDenied.
func (k *key) SignRoots(ctx context.Context, roots ...keyshare.Root) ([]keyshare.Signature, error) {
	if err := k.backend.session.usable(ctx); err != nil {
		return nil, err
	}
	sigs := make([]keyshare.Signature, len(roots))
	if j := k.backend.joiners; j != nil && len(roots) > 0 && len(roots) < wire.MaxRoots {
		answer, err := j.roots.ask(ctx, wire.SignKey{Name: k.name, Sign: k.sign(roots)}, len(roots))
		switch {
		case err != nil:
			return nil, err
		case answer.Fault != nil:
			return nil, fault(signing, answer.Fault)
		}
		if err := parseSignatures(sigs, answer.Signed); err != nil {
			return nil, err
		}
		return sigs, nil
	}
	for from := 0; from < len(roots); from += wire.MaxRoots {
		to := min(len(roots), from+wire.MaxRoots)
		var signed wire.Signed
		err := k.backend.session.do(ctx, &request{doing: signing, method: http.MethodPut, path: k.backend.mount + "/sign/" + k.name, body: k.sign(roots[from:to]), read: into(&signed)})
		if err == nil {
			err = parseSignatures(sigs[from:to], signed)
		}
		if err != nil {
			return nil, err
		}
	}
	return sigs, nil
}

func (k *key) sign(roots []keyshare.Root) wire.Sign {
	s := wire.Sign{PublicKey: k.public.String(), Roots: make([]string, len(roots)), Uncompressed: true}
	for i, root := range roots {
		s.Roots[i] = root.String()
	}
	return s
}

// parseSignatures reads one signature for each of sigs. To see that a point is in the subgroup takes an eighth of a signature,
// so all cores do it.
func parseSignatures(sigs []keyshare.Signature, signed wire.Signed) error {
	if len(signed.Signatures) != len(sigs) {
		return nonsense(signing, "the engine answered with %d signatures, asked for %d", len(signed.Signatures), len(sigs))
	}
	errs := make([]error, len(sigs))
	parallel.Each(len(sigs), func(i int) { sigs[i], errs[i] = parseSignature(signed.Signatures[i]) })
	for i, err := range errs {
		if err != nil {
			return nonsense(signing, "signature %d of the engine is none: %v", i, err)
		}
	}
	return nil
}

// parseSignature reads a signature, uncompressed as it was asked for, or compressed.
func parseSignature(text string) (s keyshare.Signature, err error) {
	if digits, prefixed := strings.CutPrefix(text, "0x"); prefixed && len(digits) == 2*keyshare.SignatureUncompressedSize {
		b, err := hex.DecodeString(digits)
		if err != nil {
			return s, errors.New("not hexadecimal")
		}
		return keyshare.ParseSignatureUncompressed(b)
	}
	err = s.UnmarshalText([]byte(text))
	return s, err
}

// SignDuties has the engine judge and sign duties, as signer.EncodeDuty writes them, for the network of that name. It
// returns a signature and an error for each, in order, of which one is set. The error of a duty that contradicts what the
// engine signed before has a method Slashable that returns true. This is what package signer calls a DutyKey.
func (k *key) SignDuties(ctx context.Context, network string, duties ...[]byte) ([]keyshare.Signature, []error) {
	sigs, errs := make([]keyshare.Signature, len(duties)), make([]error, len(duties))
	for start := 0; start < len(duties); {
		kind, err := kindOf(duties[start])
		end := start + 1
		for err == nil && end < len(duties) && end-start < wire.MaxDuties {
			if next, _ := kindOf(duties[end]); next != kind {
				break
			}
			end++
		}
		if err == nil {
			err = k.signKind(ctx, network, kind, duties[start:end], sigs[start:end], errs[start:end])
		}
		for i := start; err != nil && i < end; i++ {
			sigs[i], errs[i] = keyshare.Signature{}, err
		}
		start = end
	}
	return sigs, errs
}

// kindOf returns the type of an encoded duty, which is a part of a path.
func kindOf(duty []byte) (string, error) {
	var d struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(duty, &d); err != nil || !plainName.MatchString(d.Type) {
		return "", fmt.Errorf("vault: %s: the duty has no type, expected what signer.EncodeDuty writes", signing)
	}
	return d.Type, nil
}

func doingDuty(kind string) string { return "signing a duty of type " + kind }

// signKind has duties of one kind signed. Asking again is safe: the engine signs the same duty twice, and no other.
func (k *key) signKind(ctx context.Context, network, kind string, duties [][]byte, sigs []keyshare.Signature, errs []error) error {
	if err := k.backend.session.usable(ctx); err != nil {
		return err
	}
	raw := make([]json.RawMessage, len(duties))
	for i, d := range duties {
		raw[i] = d
	}
	answer, err := k.askDuties(ctx, network, kind, raw)
	if err != nil {
		return err
	}
	if len(answer.Results) != len(duties) {
		return nonsense(doingDuty(kind), "the engine answered with %d results, asked for %d", len(answer.Results), len(duties))
	}
	for i, r := range answer.Results {
		if r.Fault != nil {
			errs[i] = fault(doingDuty(kind), r.Fault)
		} else if sigs[i], err = parseSignature(r.Signature); err != nil {
			errs[i] = nonsense(doingDuty(kind), "signature %d of the engine is none: %v", i, err)
		}
	}
	return nil
}

func (k *key) askDuties(ctx context.Context, network, kind string, duties []json.RawMessage) (wire.Results, error) {
	if j := k.backend.joiners; j != nil {
		answer, err := j.ofDuties(network, kind).ask(ctx, wire.DutiesKey{Name: k.name, PublicKey: k.public.String(), Duties: duties}, len(duties))
		if err == nil && answer.Fault != nil {
			err = fault(doingDuty(kind), answer.Fault)
		}
		return answer.Results, err
	}
	var answer wire.Results
	body := wire.Duties{PublicKey: k.public.String(), Network: network, Duties: duties, Uncompressed: true}
	err := k.backend.session.do(ctx, &request{doing: doingDuty(kind), method: http.MethodPut, path: k.backend.mount + "/" + kind + "/" + k.name, body: body, read: into(&answer)})
	return answer, err
}

// Split implements hsm.Key. The engine shares the key, seals the shares and forgets them; what comes out is checked
// against the key and the operators. If an answer is lost, the engine is asked again and draws new shares: those of the
// lost one were never seen by anybody.
func (k *key) Split(ctx context.Context, threshold int, to []keyshare.Operator) (*keyshare.Group, []keyshare.Sealed, error) {
	if err := hsm.CheckSplit(threshold, to); err != nil {
		return nil, nil, err
	}
	if err := k.backend.session.usable(ctx); err != nil {
		return nil, nil, err
	}
	operators := make([]wire.Operator, len(to))
	for i, o := range to {
		der, err := x509.MarshalPKIXPublicKey(o.PublicKey)
		if err != nil {
			return nil, nil, fmt.Errorf("vault: %s: operator %d: %w", splitting, o.ID, err)
		}
		operators[i] = wire.Operator{ID: uint64(o.ID), PublicKey: der}
	}
	answer, err := k.askSplit(ctx, threshold, operators)
	if err != nil {
		return nil, nil, err
	}
	return k.checkSplit(threshold, to, answer)
}

func (k *key) askSplit(ctx context.Context, threshold int, operators []wire.Operator) (wire.Splitted, error) {
	if j := k.backend.joiners; j != nil {
		answer, err := j.ofSplits(threshold, operators).ask(ctx, wire.SplitKey{Name: k.name, PublicKey: k.public.String()}, len(operators))
		if err == nil && answer.Fault != nil {
			err = fault(splitting, answer.Fault)
		}
		return answer.Splitted, err
	}
	var answer wire.Splitted
	body := wire.Split{PublicKey: k.public.String(), Threshold: threshold, Operators: operators}
	err := k.backend.session.do(ctx, &request{doing: splitting, method: http.MethodPut, path: k.backend.mount + "/split/" + k.name, body: body, read: into(&answer)})
	return answer, err
}

// checkSplit makes sure that what the engine sealed are shares of this key for these operators, as far as public values
// can show it.
func (k *key) checkSplit(threshold int, to []keyshare.Operator, answer wire.Splitted) (*keyshare.Group, []keyshare.Sealed, error) {
	group := new(keyshare.Group)
	if err := group.UnmarshalJSON([]byte(answer.Group)); err != nil {
		return nil, nil, nonsense(splitting, "the engine's group is none: %v", err)
	}
	if group.PublicKey() != k.public || group.Threshold() != threshold || len(group.Members()) != len(to) || len(answer.Sealed) != len(to) {
		return nil, nil, nonsense(splitting, "the engine answered with %d shares and threshold %d of key %s, asked for %d and %d of %s",
			len(answer.Sealed), group.Threshold(), group.PublicKey(), len(to), threshold, k.public)
	}
	sealed := make([]keyshare.Sealed, len(to))
	for i, s := range answer.Sealed {
		member, ok := group.Member(to[i].ID)
		if !ok || s.PublicKey != member.String() || s.ID != uint64(to[i].ID) || len(s.Ciphertext) != keyshare.SealedSize {
			return nil, nil, nonsense(splitting, "share %d of the engine is not that of operator %d", i, to[i].ID)
		}
		sealed[i] = keyshare.Sealed{ID: to[i].ID, PublicKey: member, Ciphertext: s.Ciphertext}
	}
	return group, sealed, nil
}
