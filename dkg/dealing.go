package dkg

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/internal/parallel"
	"github.com/claystack/dvkeys/internal/secret"
	"github.com/claystack/dvkeys/keyshare"
)

// What a party's secrets are derived for, from its seed.
const (
	roleKey         = 1 // the scalar of the key in its Hello
	roleCoefficient = 2 // of a dealing's polynomial
	roleSalt        = 3 // of the commitment to the dealing
	roleNonce       = 4 // of the proof of a dealing
	rolePossession  = 5 // nonce of the proof in the Hello
	roleEqual       = 6 // nonce of the proof in a complaint
)

// newSeed draws the seed that all secrets of a party in one session derive from. A
// signature by the party's identity goes in beside the random bytes, so that a copy
// of a machine's random state does not suffice to know it.
func newSeed(s *session, me Operator, key crypto.Signer) (*keyshare.SecretKey, error) {
	hedge, err := signDigest(key, me.Scheme, tagHash(tagSeed, s.id[:]))
	if err != nil {
		return nil, fmt.Errorf("dkg: draw the seed: %w", err)
	}
	defer secret.Wipe(hedge)
	random, err := secret.Random(64)
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	defer random.Destroy()
	d, err := newDeriver()
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	defer d.destroy()
	out, err := secret.New(scalarSize)
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	defer out.Destroy()
	if err := d.scalar(out.Bytes(), random.Bytes(), s.id[:], sha256.Sum256(hedge)); err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	return keyshare.ParseSecretKey(out.Bytes())
}

// dealer makes what a party sends in the first two rounds. All of its secrets follow
// from the seed and, in a reshare, the old shares. Its methods that
// make messages are not safe for concurrent use.
type dealer struct {
	*session
	me   Operator
	seed *keyshare.SecretKey
	old  []keyshare.Secret // in a reshare, the old share of each key

	announced []dealtKey // the commitments that the Hello announced, if this process made it
	salt      [32]byte
}

// derive sets out to the scalar of a role. more hedges what must not repeat.
func (d *dealer) derive(h *deriver, out []byte, role byte, v, k int, more ...[]byte) error {
	info := tagHash(tagSeed, append([][]byte{{role}, be64(d.me.ID), be32(v), be32(k)}, more...)...)
	return d.seed.Use(func(seed []byte) error { return h.scalar(out, seed, d.id[:], info) })
}

// use lends the scalar of a role to f.
func (d *dealer) use(role byte, v, k int, f func(b []byte) error, more ...[]byte) error {
	h, err := newDeriver()
	if err != nil {
		return err
	}
	defer h.destroy()
	return d.useWith(h, role, v, k, f, more...)
}

// useWith is use with a deriver at hand.
func (d *dealer) useWith(h *deriver, role byte, v, k int, f func(b []byte) error, more ...[]byte) error {
	buf, err := secret.New(scalarSize)
	if err != nil {
		return err
	}
	defer buf.Destroy()
	if err := d.derive(h, buf.Bytes(), role, v, k, more...); err != nil {
		return err
	}
	return f(buf.Bytes())
}

// polynomial returns the polynomial of key v, which the caller destroys.
func (d *dealer) polynomial(h *deriver, v int) (*bls.Polynomial, error) {
	return bls.DerivePolynomial(d.params.Threshold, func(k int, out []byte) error {
		if k == 0 && d.old != nil {
			return d.old[v].Use(func(b []byte) error { copy(out, b); return nil })
		}
		return d.derive(h, out, roleCoefficient, v, k)
	})
}

// commitments returns the points and the salt of the dealing.
func (d *dealer) commitments() (keys []dealtKey, salt [32]byte, err error) {
	if !d.deals(d.me.ID) {
		return nil, salt, nil
	}
	if d.announced != nil {
		return slices.Clone(d.announced), d.salt, nil
	}
	if err := d.use(roleSalt, 0, 0, func(b []byte) error { salt = tagHash(tagCommit, b); return nil }); err != nil {
		return nil, salt, err
	}
	keys = make([]dealtKey, d.params.Keys)
	errs := make([]error, len(keys))
	parallel.Each(len(keys), func(v int) {
		h, err := newDeriver()
		if err != nil {
			errs[v] = err
			return
		}
		defer h.destroy()
		f, err := d.polynomial(h, v)
		if err != nil {
			errs[v] = err
			return
		}
		defer f.Destroy()
		for _, p := range f.Commit() {
			b := p.Bytes()
			keys[v].points = append(keys[v].points, b[:]...)
		}
	})
	if err := errors.Join(errs...); err != nil {
		return nil, salt, err
	}
	d.announced, d.salt = slices.Clone(keys), salt
	return keys, salt, nil
}

// hello makes the body of the Hello. With wrap, the seed goes with it, sealed to the
// party itself.
func (d *dealer) hello(wrap bool) (*hello, error) {
	h := &hello{}
	_, _ = rand.Read(h.nonce[:])
	keys, salt, err := d.commitments()
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	if keys != nil {
		h.commit = d.commitmentTo(d.me.ID, salt, keys)
	}
	var fresh [32]byte
	_, _ = rand.Read(fresh[:])
	err = d.use(roleKey, 0, 0, func(e []byte) error {
		point, err := bls.PublicKeyOf(e)
		if err != nil {
			return err
		}
		h.key = point.Bytes()
		return d.use(rolePossession, 0, 0, func(nonce []byte) error {
			proof, err := bls.Prove(e, nonce, d.possession(d.me.ID, h.key))
			h.proof = proofBytes(proof)
			return err
		}, fresh[:])
	})
	if err == nil && wrap {
		var sealed keyshare.Sealed
		sealed, err = keyshare.SealSecret(d.seed, d.me.Operator)
		h.wrap = sealed.Ciphertext
	}
	if err != nil {
		return nil, fmt.Errorf("dkg: make the Hello: %w", err)
	}
	return h, nil
}

// ownHello reports whether a Hello was made from this seed.
func (d *dealer) ownHello(h *hello) bool {
	own := false
	err := d.use(roleKey, 0, 0, func(e []byte) error {
		point, err := bls.PublicKeyOf(e)
		own = err == nil && point.Bytes() == h.key
		return err
	})
	return err == nil && own
}

// deal makes the body of the Deal for the receivers, whose Hellos are given by
// participant.
func (d *dealer) deal(ssid [32]byte, hellos []*checkedHello) (*deal, error) {
	keys, salt, err := d.commitments()
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	out := &deal{ssid: ssid, salt: salt, keys: keys}
	points, err := d.sharedPoints(d.params.Operators, hellos)
	if err != nil {
		return nil, fmt.Errorf("dkg: %w", err)
	}
	defer destroyAll(points)
	errs := make([]error, len(keys))
	parallel.Each(len(keys), func(v int) { errs[v] = d.dealKey(&out.keys[v], v, ssid, points, hellos) })
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("dkg: deal: %w", err)
	}
	return out, nil
}

// dealKey proves knowledge of key v's constant term and encrypts its shares.
func (d *dealer) dealKey(out *dealtKey, v int, ssid [32]byte, points []*secret.Buffer, hellos []*checkedHello) error {
	h, err := newDeriver()
	if err != nil {
		return err
	}
	defer h.destroy()
	f, err := d.polynomial(h, v)
	if err != nil {
		return err
	}
	defer f.Destroy()
	var fresh [32]byte
	_, _ = rand.Read(fresh[:])
	err = f.UseConstant(func(constant []byte) error {
		return d.useWith(h, roleNonce, v, 0, func(nonce []byte) error {
			proof, err := bls.Prove(constant, nonce, d.knowledge(ssid, d.me.ID, v, out.points[:pointSize]))
			b := proofBytes(proof)
			out.proof = b[:]
			return err
		}, ssid[:], fresh[:])
	})
	if err != nil {
		return err
	}
	key, err := secret.New(32)
	if err != nil {
		return err
	}
	defer key.Destroy()
	from := d.helloOf(hellos, d.me.ID)
	out.sealed = make([]byte, 0, len(d.params.Operators)*sealedSize)
	for j, to := range d.params.Operators {
		share, err := f.Evaluate(uint64(to.ID))
		if err != nil {
			return err
		}
		d.padKey(h, key.Bytes(), points[j].Bytes(), ssid, v, from, d.helloOf(hellos, to.ID))
		sealed, err := secret.SealOnce(share.Bytes(), key.Bytes())
		share.Destroy()
		if err != nil {
			return err
		}
		out.sealed = append(out.sealed, sealed...)
	}
	return nil
}

// sharedPoints agrees on a secret with each operator of a list, in its order, by the
// party's own Hello key.
func (d *dealer) sharedPoints(with []Operator, hellos []*checkedHello) ([]*secret.Buffer, error) {
	points := make([]*secret.Buffer, len(with))
	err := d.use(roleKey, 0, 0, func(e []byte) error {
		errs := make([]error, len(with))
		parallel.Each(len(with), func(j int) {
			points[j], errs[j] = bls.SharedPoint(e, d.helloOf(hellos, with[j].ID).point)
		})
		return errors.Join(errs...)
	})
	if err != nil {
		destroyAll(points)
		return nil, err
	}
	return points, nil
}

// helloOf returns an operator's Hello of a list by participant.
func (s *session) helloOf(hellos []*checkedHello, id keyshare.Index) *checkedHello {
	at, _ := position(s.people, id)
	return hellos[at]
}

// padKey derives the key that the share of key v from one participant to another is
// encrypted under.
func (s *session) padKey(h *deriver, out, shared []byte, ssid [32]byte, v int, from, to *checkedHello) {
	h.key(out, shared, ssid[:], tagHash(tagPad, be32(v), be64(from.sender), be64(to.sender), from.key[:], to.key[:]))
}

func destroyAll(list []*secret.Buffer) {
	for _, b := range list {
		b.Destroy()
	}
}
