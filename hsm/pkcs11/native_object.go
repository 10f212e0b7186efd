//go:build cgo && unix

package pkcs11

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm"
	"github.com/claystack/dvkeys/keyshare"
)

func notFound(pk keyshare.PublicKey) error {
	return fmt.Errorf("pkcs11: %w: %s", hsm.ErrNotFound, pk)
}

// find returns the key with a public key.
func (b *Native) find(ctx context.Context, pk keyshare.PublicKey) (*nativeKey, error) {
	if pk.IsZero() {
		return nil, notFound(pk)
	}
	return b.lookup(ctx, b.profile.pointAttribute(pk), pk.String())
}

// labelled returns the key with a label that is not "".
func (b *Native) labelled(ctx context.Context, label string) (*nativeKey, error) {
	return b.lookup(ctx, pkcs11.NewAttribute(pkcs11.CKA_LABEL, label), fmt.Sprintf("with the label %q", label))
}

// lookup returns the one key with an attribute. A public object without its private one is no key.
func (b *Native) lookup(ctx context.Context, a *pkcs11.Attribute, which string) (*nativeKey, error) {
	return use(ctx, b.device, "looking a key up", func(s pkcs11.SessionHandle) (*nativeKey, error) {
		public, err := b.search(s, pkcs11.CKO_PUBLIC_KEY, a)
		if err != nil {
			return nil, err
		}
		var found []*nativeKey
		for _, o := range public {
			k, err := b.read(s, o)
			if err == nil {
				found = append(found, k)
			} else if !errors.Is(err, hsm.ErrNotFound) {
				return nil, err
			}
		}
		switch len(found) {
		case 0:
			return nil, fmt.Errorf("pkcs11: %w: %s", hsm.ErrNotFound, which)
		case 1:
			return found[0], nil
		}
		return nil, &Error{
			Fault:  fmt.Sprintf("the token has %d keys %s", len(found), which),
			Remedy: "see which of them is in use, and delete the others or give them other labels with the token's own program",
			is:     hsm.ErrCorrupt,
		}
	}, nil)
}

// read returns the key of a public object. Without a private one it is hsm.ErrNotFound.
func (b *Native) read(s pkcs11.SessionHandle, public pkcs11.ObjectHandle) (*nativeKey, error) {
	k := &nativeKey{backend: b, era: b.device.currentEra()}
	var err error
	if k.id, err = b.attribute(s, public, pkcs11.CKA_ID); err != nil {
		return nil, err
	}
	if k.handle, err = b.privateOf(s, k.id); err != nil {
		return nil, err
	}
	label, err := b.attribute(s, public, pkcs11.CKA_LABEL)
	if err != nil {
		return nil, err
	}
	k.label = string(label)
	if k.pk, err = b.publicKey(s, public); err != nil {
		return nil, err
	}
	return k, b.checkProtection(s, k.handle)
}

// all returns every key once: the public objects to whose CKA_ID there is a private one.
func (b *Native) all(ctx context.Context, s pkcs11.SessionHandle) ([]keyshare.PublicKey, error) {
	private, err := b.search(s, pkcs11.CKO_PRIVATE_KEY)
	if err != nil {
		return nil, err
	}
	whole := map[string]bool{}
	for _, o := range private {
		id, err := b.attribute(s, o, pkcs11.CKA_ID)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		whole[string(id)] = true
	}
	public, err := b.search(s, pkcs11.CKO_PUBLIC_KEY)
	if err != nil {
		return nil, err
	}
	var keys []keyshare.PublicKey
	seen := map[keyshare.PublicKey]bool{}
	for _, o := range public {
		id, err := b.attribute(s, o, pkcs11.CKA_ID)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return nil, err
		}
		if !whole[string(id)] {
			continue
		}
		pk, err := b.publicKey(s, o)
		if err != nil {
			return nil, err
		}
		if !seen[pk] {
			seen[pk] = true
			keys = append(keys, pk)
		}
	}
	return keys, nil
}

// destroy removes a public object and the private ones that belong to it, which go first.
func (b *Native) destroy(s pkcs11.SessionHandle, public pkcs11.ObjectHandle) error {
	id, err := b.attribute(s, public, pkcs11.CKA_ID)
	if err != nil {
		return err
	}
	private, err := b.search(s, pkcs11.CKO_PRIVATE_KEY, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	if err != nil {
		return err
	}
	for _, o := range append(private, public) {
		if err := b.module.raw.DestroyObject(s, o); err != nil {
			return err
		}
	}
	return nil
}

// privateOf returns the private object with a CKA_ID, or hsm.ErrNotFound.
func (b *Native) privateOf(s pkcs11.SessionHandle, id []byte) (pkcs11.ObjectHandle, error) {
	found, err := b.search(s, pkcs11.CKO_PRIVATE_KEY, pkcs11.NewAttribute(pkcs11.CKA_ID, id))
	if err != nil {
		return 0, err
	}
	if len(found) > 0 {
		return found[0], nil
	}
	return 0, hsm.ErrNotFound
}

// search returns the token objects of a class on the profile's curve that have the attributes.
func (b *Native) search(s pkcs11.SessionHandle, class uint, attributes ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	return b.device.search(s, append(attributes,
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, class),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, b.profile.Curve))...)
}

// attribute reads one attribute of an object.
func (b *Native) attribute(s pkcs11.SessionHandle, o pkcs11.ObjectHandle, kind uint) ([]byte, error) {
	read, err := b.module.raw.GetAttributeValue(s, o, []*pkcs11.Attribute{{Type: kind}})
	if err != nil {
		return nil, err
	}
	return read[0].Value, nil
}

// publicKey reads the public key of a public object.
func (b *Native) publicKey(s pkcs11.SessionHandle, o pkcs11.ObjectHandle) (keyshare.PublicKey, error) {
	der, err := b.attribute(s, o, pkcs11.CKA_EC_POINT)
	if err != nil {
		return keyshare.PublicKey{}, err
	}
	return b.profile.parsePoint(der)
}
