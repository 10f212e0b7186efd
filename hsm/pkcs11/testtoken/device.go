package testtoken

import (
	"crypto/rand"
	"encoding/json"
	"sync"

	"github.com/claystack/dvkeys/keyshare"
)

// PIN is the user's PIN, Label the token's label, Manufacturer and Serial what it says of itself.
const (
	PIN          = "648219"
	Label        = "dvkeys test token"
	Manufacturer = "dvkeys testtoken"
	Serial       = "0001"
)

// maxWrongPINs is after how many wrong PINs in a row the token locks.
const maxWrongPINs = 3

// A device is the state of the token's process.
type device struct {
	mu           sync.Mutex
	behaviour    Behaviour
	applications map[uint64]*application
	objects      map[uint64]*object
	last         uint64 // the last number given to an application, session or object
	wrongPINs    int    // in a row
	counts       Counts
	other        *keyshare.SecretKey // signs in place of the right key for OtherKey
}

// An application is one program between C_Initialize and C_Finalize.
type application struct {
	sessions map[uint64]*session
	loggedIn bool
}

// A session has at most one search and one signature under way.
type session struct {
	number    uint64
	readWrite bool
	found     []uint64
	searching bool
	signing   *object
}

func newDevice() (*device, error) {
	other, err := keyshare.Generate()
	return &device{applications: map[uint64]*application{}, objects: map[uint64]*object{}, other: other}, err
}

func (d *device) next() uint64 {
	d.last++
	return d.last
}

// A call is one request under way. Its function holds the device's lock.
type call struct {
	*device
	app *application
	in  request
	out reply

	after func() uint64 // what is done after the lock is released, if anything
}

// functions answer the requests, each with a CK_RV. They check in.end before they change anything.
var functions = map[string]func(*call) uint64{
	"C_GetInfo":           (*call).getInfo,
	"C_GetSlotList":       (*call).getSlotList,
	"C_GetSlotInfo":       (*call).getSlotInfo,
	"C_GetTokenInfo":      (*call).getTokenInfo,
	"C_GetMechanismList":  (*call).getMechanismList,
	"C_GetMechanismInfo":  (*call).getMechanismInfo,
	"C_OpenSession":       (*call).openSession,
	"C_CloseSession":      (*call).closeSession,
	"C_CloseAllSessions":  (*call).closeAllSessions,
	"C_GetSessionInfo":    (*call).getSessionInfo,
	"C_Login":             (*call).login,
	"C_Logout":            (*call).logout,
	"C_GenerateKeyPair":   (*call).generateKeyPair,
	"C_CreateObject":      (*call).createObject,
	"C_DestroyObject":     (*call).destroyObject,
	"C_FindObjectsInit":   (*call).findObjectsInit,
	"C_FindObjects":       (*call).findObjects,
	"C_FindObjectsFinal":  (*call).findObjectsFinal,
	"C_GetAttributeValue": (*call).getAttributeValue,
	"C_SignInit":          (*call).signInit,
	"C_Sign":              (*call).sign,
	"C_GenerateRandom":    (*call).generateRandom,
}

// answer answers one request.
func (d *device) answer(message []byte) []byte {
	c := &call{device: d, in: request{rest: message}}
	code := c.run()
	if code == ckrOK && c.after != nil {
		code = c.after()
	}
	w := reply{}
	w.number(code)
	return append(w.b, c.out.b...)
}

func (c *call) run() uint64 {
	name, number := string(c.in.bytes()), c.in.number()
	c.mu.Lock()
	defer c.mu.Unlock()
	if order := orders[name]; order != nil {
		return order(c)
	}
	if code := c.refused(name); code != ckrOK {
		return code
	}
	if name == "C_Initialize" {
		application, n := &application{sessions: map[uint64]*session{}}, c.next()
		c.applications[n] = application
		c.out.number(n)
		return ckrOK
	}
	if c.app = c.applications[number]; c.app == nil {
		return ckrDeviceRemoved // another process of the token gave the number
	}
	if name == "C_Finalize" {
		c.closeSessions(c.app)
		delete(c.applications, number)
		return ckrOK
	}
	f := functions[name]
	if f == nil {
		return ckrFunctionNotSupported
	}
	return f(c)
}

// refused returns the code that the behaviour orders for the next call of a function.
func (d *device) refused(name string) uint64 {
	for i := range d.behaviour.Refuse {
		if r := &d.behaviour.Refuse[i]; r.Function == name && r.Times != 0 {
			r.Times--
			return r.Code
		}
	}
	return ckrOK
}

// closeSessions ends all sessions of an application, and so its login.
func (d *device) closeSessions(a *application) {
	for _, s := range a.sessions {
		d.closeOne(a, s)
	}
}

// closeOne ends a session and destroys its objects. With the last one the login ends.
func (d *device) closeOne(a *application, s *session) {
	for n, o := range d.objects {
		if o.session == s.number {
			o.destroy()
			delete(d.objects, n)
		}
	}
	delete(a.sessions, s.number)
	if len(a.sessions) == 0 {
		a.loggedIn = false
	}
}

// orders are the requests of Token.
var orders = map[string]func(*call) uint64{
	"set": func(c *call) uint64 {
		var b Behaviour
		if json.Unmarshal(c.in.bytes(), &b) != nil || c.in.end() != nil {
			return ckrArgumentsBad
		}
		if c.behaviour = b; b.Removed {
			c.dropSessions()
		}
		return ckrOK
	},
	"counts": func(c *call) uint64 {
		counts := c.counts
		for _, a := range c.applications {
			counts.Sessions += len(a.sessions)
		}
		for _, o := range c.objects {
			counts.Objects += int(condition(o.session == 0))
		}
		text, err := json.Marshal(counts)
		if err != nil {
			return ckrGeneralError
		}
		c.out.bytes(text)
		return ckrOK
	},
	"drop": func(c *call) uint64 {
		c.dropSessions()
		return ckrOK
	},
	"logout": func(c *call) uint64 {
		for _, a := range c.applications {
			a.loggedIn = false
		}
		return ckrOK
	},
}

// dropSessions ends the sessions of all applications.
func (d *device) dropSessions() {
	for _, a := range d.applications {
		d.closeSessions(a)
	}
}

func (c *call) generateRandom() uint64 {
	_, code := c.session(c.in.number())
	n := c.in.number()
	switch {
	case code != ckrOK:
		return code
	case c.in.end() != nil || n > limit/2:
		return ckrArgumentsBad
	}
	b := make([]byte, n)
	rand.Read(b)
	c.out.bytes(b)
	return ckrOK
}
