package testtoken

import "crypto/subtle"

func (c *call) getInfo() uint64 {
	c.out.numbers(2, 40)
	c.out.text(Manufacturer, 32)
	c.out.number(0)
	c.out.text("test token, keys in its process", 32)
	c.out.numbers(1, 0)
	return ckrOK
}

func (c *call) getSlotList() uint64 {
	onlyPresent := c.in.number() != 0
	if c.behaviour.Removed && onlyPresent {
		c.out.list(nil)
	} else {
		c.out.list([]uint64{c.behaviour.Slot})
	}
	return ckrOK
}

// slot reads a slot's number and checks it.
func (c *call) slot() uint64 {
	if n := c.in.number(); c.in.err != nil || n != c.behaviour.Slot {
		return ckrSlotIDInvalid
	}
	return ckrOK
}

// token is slot, and checks that the token is there.
func (c *call) token() uint64 {
	code := c.slot()
	if code == ckrOK && c.behaviour.Removed {
		return ckrTokenNotPresent
	}
	return code
}

func (c *call) getSlotInfo() uint64 {
	if code := c.slot(); code != ckrOK {
		return code
	}
	c.out.text("slot of the dvkeys test token", 64)
	c.out.text(Manufacturer, 32)
	c.out.number(ckfRemovable | ckfTokenPresent*condition(!c.behaviour.Removed))
	c.out.numbers(1, 0, 1, 0)
	return ckrOK
}

func (c *call) getTokenInfo() uint64 {
	if code := c.token(); code != ckrOK {
		return code
	}
	c.out.text(Label, 32)
	c.out.text(Manufacturer, 32)
	c.out.text("testtoken", 16)
	c.out.text(Serial, 16)
	c.out.number(ckfRNG | ckfLoginRequired | ckfUserPINSet | ckfTokenInit | ckfUserPINLocked*condition(c.wrongPINs >= maxWrongPINs))
	var readWrite uint64
	for _, s := range c.app.sessions {
		readWrite += condition(s.readWrite)
	}
	const anyNumber, longestPIN, shortestPIN = 0, 64, 4
	c.out.numbers(anyNumber, uint64(len(c.app.sessions)), anyNumber, readWrite, longestPIN, shortestPIN, 1, 0, 1, 0)
	return ckrOK
}

func (c *call) getMechanismList() uint64 {
	if code := c.token(); code != ckrOK {
		return code
	}
	c.out.list([]uint64{ckmECKeyPairGen, ckmIBMECDSAOther})
	return ckrOK
}

func (c *call) getMechanismInfo() uint64 {
	if code := c.token(); code != ckrOK {
		return code
	}
	switch c.in.number() {
	case ckmECKeyPairGen:
		c.out.numbers(192, 521, ckfGenerateKeyPair)
	case ckmIBMECDSAOther:
		c.out.numbers(192, 521, ckfSign)
	default:
		return ckrMechanismInvalid
	}
	return ckrOK
}

func (c *call) openSession() uint64 {
	code, flags := c.token(), c.in.number()
	switch {
	case code != ckrOK:
		return code
	case c.in.end() != nil:
		return ckrArgumentsBad
	case flags&ckfSerialSession == 0:
		return ckrSessionParallelNotSupp
	}
	s := &session{number: c.next(), readWrite: flags&ckfRWSession != 0}
	c.app.sessions[s.number] = s
	c.counts.Opened++
	c.out.number(s.number)
	return ckrOK
}

// session returns an open session of the application.
func (c *call) session(number uint64) (*session, uint64) {
	if c.behaviour.Removed {
		return nil, ckrDeviceRemoved
	}
	s := c.app.sessions[number]
	if s == nil {
		return nil, ckrSessionHandleInvalid
	}
	return s, ckrOK
}

func (c *call) closeSession() uint64 {
	s, code := c.session(c.in.number())
	if code == ckrOK {
		c.closeOne(c.app, s)
	}
	return code
}

func (c *call) closeAllSessions() uint64 {
	code := c.token()
	if code == ckrOK {
		c.closeSessions(c.app)
	}
	return code
}

func (c *call) getSessionInfo() uint64 {
	s, code := c.session(c.in.number())
	if code != ckrOK {
		return code
	}
	state := 2 * condition(s.readWrite) // CKS_RO_PUBLIC_SESSION, …, CKS_RW_USER_FUNCTIONS
	c.out.numbers(c.behaviour.Slot, state+condition(c.app.loggedIn), ckfSerialSession|ckfRWSession*condition(s.readWrite))
	return ckrOK
}

func (c *call) login() uint64 {
	_, code := c.session(c.in.number())
	user, pin := c.in.number(), c.in.bytes()
	switch {
	case code != ckrOK:
		return code
	case c.in.end() != nil:
		return ckrArgumentsBad
	case user != ckuUser:
		return ckrUserTypeInvalid
	case c.app.loggedIn:
		return ckrUserAlreadyLoggedIn
	case c.wrongPINs >= maxWrongPINs:
		return ckrPinLocked
	case subtle.ConstantTimeCompare(pin, []byte(PIN)) != 1:
		c.wrongPINs++
		c.counts.WrongPINs++
		return ckrPinIncorrect
	}
	c.wrongPINs = 0
	c.counts.Logins++
	c.app.loggedIn = true
	return ckrOK
}

func (c *call) logout() uint64 {
	_, code := c.session(c.in.number())
	switch {
	case code != ckrOK:
		return code
	case !c.app.loggedIn:
		return ckrUserNotLoggedIn
	}
	c.app.loggedIn = false
	return ckrOK
}
