package dkg

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/shamir"
)

// groups combines the dealings of all dealers, in their order, to the group of each
// key: in a new key their sum, in a reshare their interpolation at the dealers' ids.
func (s *session) groups(deals []*checkedDeal) ([]*keyshare.Group, error) {
	out := make([]*keyshare.Group, s.params.Keys)
	errs := make([]error, len(out))
	parallel.Each(len(out), func(v int) {
		parts := make([]*shamir.Commitment, len(deals))
		for i, d := range deals {
			parts[i] = d.commitments[v]
		}
		var c *shamir.Commitment
		if s.params.Kind == Generate {
			c, errs[v] = shamir.Sum(parts)
		} else {
			c, errs[v] = shamir.Interpolate(ids(s.dealers), parts)
		}
		if errs[v] == nil {
			out[v], errs[v] = keyshare.GroupOf(c, s.params.members())
		}
		if errs[v] == nil && !s.sameKey(v, out[v]) {
			errs[v] = fmt.Errorf("dkg: key %d: the dealings make another validator key", v)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("dkg: combine the dealings: %w", err) // has probability 2^-255, see PROTOCOL.md
	}
	return out, nil
}

// badShare names the dealing that gave a receiver a share it can not use.
type badShare struct {
	dealer int // place in the dealers
	v      int
	code   Code
}

func (e *badShare) Error() string { return fmt.Sprintf("dealer %d, key %d: %s", e.dealer, e.v, e.code) }

// receive opens and combines the party's own shares of all keys. A share that is
// faulty is a *badShare.
func (d *dealer) receive(ssid [32]byte, hellos []*checkedHello, deals []*checkedDeal, groups []*keyshare.Group) ([]*keyshare.Share, error) {
	points, err := d.sharedPoints(d.dealers, hellos)
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	defer destroyAll(points)
	shares := make([]*keyshare.Share, len(groups))
	errs := make([]error, len(groups))
	parallel.Each(len(groups), func(v int) {
		shares[v], errs[v] = d.receiveKey(v, ssid, points, hellos, deals, groups[v])
	})
	for _, err := range errs {
		if err != nil {
			for _, s := range shares {
				s.Destroy()
			}
			return nil, err
		}
	}
	return shares, nil
}

// receiveKey combines first and checks once. Only if that fails does it check each
// dealer's share.
func (d *dealer) receiveKey(v int, ssid [32]byte, points []*secret.Buffer, hellos []*checkedHello, deals []*checkedDeal, g *keyshare.Group) (*keyshare.Share, error) {
	h, err := newDeriver()
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	defer h.destroy()
	parts := make([]*secret.Buffer, len(deals))
	defer destroyAll(parts)
	values := make([][]byte, len(deals))
	for i, from := range deals {
		parts[i], err = d.openShare(h, v, ssid, points[i].Bytes(), d.helloOf(hellos, from.sender), d.helloOf(hellos, d.me.ID), from)
		if errors.Is(err, errSealedShare) {
			return nil, &badShare{i, v, CodeSealed}
		}
		if err != nil {
			return nil, fmt.Errorf("dkg: %w", err)
		}
		values[i] = parts[i].Bytes()
	}
	share, err := d.combine(values, g)
	if err == nil {
		return share, nil
	}
	for i, from := range deals {
		if !onPolynomial(from.commitments[v], d.me.ID, values[i]) {
			return nil, &badShare{i, v, CodeShare}
		}
	}
	return nil, fmt.Errorf("dkg: key %d: %w", v, err)
}

// combine makes the party's share of the values that it was dealt.
func (d *dealer) combine(values [][]byte, g *keyshare.Group) (*keyshare.Share, error) {
	var whole *secret.Buffer
	var err error
	if d.params.Kind == Generate {
		whole, err = bls.SumSecrets(values)
	} else {
		var w *bls.Weights
		if w, err = shamir.Weights(ids(d.dealers)); err == nil {
			whole, err = w.CombineSecret(values)
		}
	}
	if err != nil {
		return nil, err
	}
	defer whole.Destroy()
	return keyshare.NewShare(g, d.me.ID, whole.Bytes())
}

// errSealedShare is returned for a share that does not decrypt to a scalar.
var errSealedShare = errors.New("dkg: the share does not decrypt to a scalar")

// openShare decrypts the share of key v that a Deal has for a receiver, by the secret
// that dealer and receiver share.
func (s *session) openShare(h *deriver, v int, ssid [32]byte, shared []byte, from, to *checkedHello, in *checkedDeal) (*secret.Buffer, error) {
	key, err := secret.New(32)
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	s.padKey(h, key.Bytes(), shared, ssid, v, from, to)
	j, _ := position(s.params.Operators, to.sender)
	share, err := secret.OpenOnce(in.keys[v].sealed[j*sealedSize:(j+1)*sealedSize], key.Bytes())
	if errors.Is(err, secret.ErrOpen) {
		return nil, errSealedShare
	}
	if err != nil {
		return nil, err
	}
	if bls.CheckScalar(share.Bytes()) != nil {
		share.Destroy()
		return nil, errSealedShare
	}
	return share, nil
}

// onPolynomial reports whether a value is the committed polynomial's at id.
func onPolynomial(c *shamir.Commitment, id keyshare.Index, value []byte) bool {
	want, err := c.At(id)
	if err != nil {
		return false
	}
	got, err := bls.PublicKeyOf(value)
	return err == nil && got == want
}
