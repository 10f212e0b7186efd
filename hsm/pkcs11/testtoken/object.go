package testtoken

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/claystack/dvkeys/internal/bls"
	"github.com/claystack/dvkeys/keyshare"
)

// attributes are an object's attributes, or a template, by their type.
type attributes map[uint64][]byte

// yes reports whether a Boolean attribute is there and true.
func (a attributes) yes(kind uint64) bool { return len(a[kind]) == 1 && a[kind][0] != 0 }

// An object is a public or a private key.
type object struct {
	attributes attributes
	key        *keyshare.SecretKey // of a private key
	session    uint64              // whose it is; 0 for a token object
}

func (o *object) destroy() {
	if o.key != nil {
		o.key.Destroy()
	}
}

// word encodes a CK_ULONG as C has it in memory.
func word(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }

// add stores an object and returns its handle. It copies the attributes, which lie in the message.
func (c *call) add(s *session, o *object) uint64 {
	for kind, value := range o.attributes {
		o.attributes[kind] = slices.Clone(value)
	}
	if !o.attributes.yes(ckaToken) {
		o.session = s.number
	}
	n := c.next()
	c.objects[n] = o
	return n
}

// visible returns an object that the application may see.
func (c *call) visible(handle uint64) *object {
	o := c.objects[handle]
	if o == nil || o.attributes.yes(ckaPrivate) && !c.app.loggedIn {
		return nil
	}
	if o.session != 0 && c.app.sessions[o.session] == nil {
		return nil
	}
	return o
}

// mayCreate checks the session and the login for new objects.
func (c *call) mayCreate(s *session, templates ...attributes) uint64 {
	for _, t := range templates {
		switch {
		case t.yes(ckaToken) && !s.readWrite:
			return ckrSessionReadOnly
		case t.yes(ckaPrivate) && !c.app.loggedIn:
			return ckrUserNotLoggedIn
		}
	}
	return ckrOK
}

func (c *call) generateKeyPair() uint64 {
	s, code := c.session(c.in.number())
	mechanism, _ := c.in.number(), c.in.bytes()
	public, private := c.in.template(), c.in.template()
	switch {
	case code != ckrOK:
		return code
	case c.in.end() != nil:
		return ckrArgumentsBad
	case mechanism != ckmECKeyPairGen:
		return ckrMechanismInvalid
	case string(public[ckaECParams]) != curve || c.behaviour.OtherCurves:
		return ckrCurveNotSupported
	}
	if code := c.mayCreate(s, public, private); code != ckrOK {
		return code
	}
	key, err := keyshare.Generate()
	if err != nil {
		return ckrGeneralError
	}
	public[ckaClass], private[ckaClass] = word(ckoPublicKey), word(ckoPrivateKey)
	public[ckaKeyType], private[ckaKeyType] = word(ckkEC), word(ckkEC)
	public[ckaLocal], private[ckaLocal] = []byte{1}, []byte{1}
	public[ckaECPoint], private[ckaECParams] = c.point(key), []byte(curve)
	if c.behaviour.Fault == KeysExtractable {
		private[ckaExtractable] = []byte{1}
	}
	history(private, true)
	c.out.number(c.add(s, &object{attributes: public}))
	c.out.number(c.add(s, &object{attributes: private, key: key}))
	return ckrOK
}

// history sets the attributes that say what a private key went through.
func history(private attributes, generated bool) {
	private[ckaAlwaysSensitive] = []byte{byte(condition(generated && private.yes(ckaSensitive)))}
	private[ckaNeverExtractable] = []byte{byte(condition(generated && !private.yes(ckaExtractable)))}
}

func (c *call) createObject() uint64 {
	s, code := c.session(c.in.number())
	template := c.in.template()
	switch {
	case code != ckrOK:
		return code
	case c.in.end() != nil:
		return ckrArgumentsBad
	case !bytes.Equal(template[ckaKeyType], word(ckkEC)) || template[ckaECParams] == nil:
		return ckrTemplateIncomplete
	case string(template[ckaECParams]) != curve || c.behaviour.OtherCurves:
		return ckrCurveNotSupported
	}
	if code := c.mayCreate(s, template); code != ckrOK {
		return code
	}
	o := &object{attributes: template}
	switch {
	case bytes.Equal(template[ckaClass], word(ckoPublicKey)):
		if len(template[ckaECPoint]) == 0 {
			return ckrTemplateIncomplete
		}
	case bytes.Equal(template[ckaClass], word(ckoPrivateKey)):
		var err error
		if o.key, err = keyshare.ParseSecretKey(template[ckaValue]); err != nil {
			return ckrAttributeValueInvalid
		}
		delete(template, ckaValue)
		history(template, false)
	default:
		return ckrAttributeValueInvalid
	}
	template[ckaLocal] = []byte{0}
	c.out.number(c.add(s, o))
	return ckrOK
}

func (c *call) destroyObject() uint64 {
	s, code := c.session(c.in.number())
	handle := c.in.number()
	o := c.visible(handle)
	switch {
	case code != ckrOK:
		return code
	case o == nil:
		return ckrObjectHandleInvalid
	case o.session == 0 && !s.readWrite:
		return ckrSessionReadOnly
	}
	o.destroy()
	delete(c.objects, handle)
	return ckrOK
}

func (c *call) findObjectsInit() uint64 {
	s, code := c.session(c.in.number())
	template := c.in.template()
	switch {
	case code != ckrOK:
		return code
	case c.in.end() != nil:
		return ckrArgumentsBad
	case s.searching:
		return ckrOperationActive
	}
	s.searching, s.found = true, nil
	for handle := range c.objects {
		if o := c.visible(handle); o != nil && matches(o.attributes, template) {
			s.found = append(s.found, handle)
		}
	}
	slices.Sort(s.found)
	return ckrOK
}

func matches(a, template attributes) bool {
	for kind, value := range template {
		if have, ok := a[kind]; !ok || !bytes.Equal(have, value) {
			return false
		}
	}
	return true
}

func (c *call) findObjects() uint64 {
	s, code := c.session(c.in.number())
	room := c.in.number()
	switch {
	case code != ckrOK:
		return code
	case !s.searching:
		return ckrOperationNotInitialized
	}
	n := int(min(room, uint64(len(s.found)), 1024))
	c.out.list(s.found[:n])
	s.found = s.found[n:]
	return ckrOK
}

func (c *call) findObjectsFinal() uint64 {
	s, code := c.session(c.in.number())
	switch {
	case code != ckrOK:
		return code
	case !s.searching:
		return ckrOperationNotInitialized
	}
	s.searching, s.found = false, nil
	return ckrOK
}

func (c *call) getAttributeValue() uint64 {
	_, code := c.session(c.in.number())
	if code != ckrOK {
		return code
	}
	o := c.visible(c.in.number())
	if o == nil {
		return ckrObjectHandleInvalid
	}
	for n := c.in.number(); n > 0 && c.in.err == nil; n-- {
		kind := c.in.number()
		value, ok := o.attributes[kind]
		switch {
		case kind == ckaValue && o.key != nil:
			code = ckrAttributeSensitive
		case !ok:
			code = ckrAttributeTypeInvalid
		}
		c.out.number(condition(ok))
		c.out.bytes(value)
	}
	return code
}

// point encodes a key's public key as CKA_EC_POINT: an OCTET STRING of 04, x and y.
func (c *call) point(k *keyshare.SecretKey) []byte {
	var p []byte
	switch c.behaviour.Fault {
	case SwappedGroups:
		sig := signRaw(k, bls.HashRoot([32]byte{}))
		wide := sig.Uncompressed()
		p = append([]byte{4}, wide[:]...)
		return append([]byte{4, 0x81, byte(len(p))}, p...)
	default:
		compressed := k.PublicKey().Bytes()
		pk, _ := bls.ParsePublicKey(compressed[:])
		wide := pk.Uncompressed()
		if c.behaviour.Fault == LittleEndian {
			backwards(wide[:])
		}
		p = append([]byte{4}, wide[:]...)
		return append([]byte{4, byte(len(p))}, p...)
	}
}
