//go:build cgo && unix

package pkcs11

import "github.com/miekg/pkcs11"

// search returns the objects that have all the attributes. Private ones are hidden from who is not logged in, which is no
// error of PKCS #11. So the login is looked at before, and again if there is nothing: that an object is not there is
// believed only if it was not hidden at any time.
func (d *device) search(session pkcs11.SessionHandle, attributes ...*pkcs11.Attribute) ([]pkcs11.ObjectHandle, error) {
	logins := d.module.begun.Load()
	if err := d.loggedIn(session); err != nil {
		return nil, err
	}
	found, err := d.searchAny(session, attributes)
	if err == nil && len(found) == 0 {
		err = d.stillLoggedIn(session, logins)
	}
	return found, err
}

func (d *device) searchAny(session pkcs11.SessionHandle, attributes []*pkcs11.Attribute) (found []pkcs11.ObjectHandle, err error) {
	raw := d.module.raw
	if err := raw.FindObjectsInit(session, attributes); err != nil {
		return nil, err
	}
	const page = 256
	for {
		more, _, err := raw.FindObjects(session, page)
		if err != nil {
			_ = raw.FindObjectsFinal(session)
			return nil, err
		}
		if len(more) == 0 {
			return found, raw.FindObjectsFinal(session)
		}
		found = append(found, more...)
	}
}
