//go:build cgo && unix

package pkcs11

/*
#include "cryptoki.h"

typedef struct { // CK_ATTRIBUTE
	word type;
	void *value;
	word length;
} attribute;

typedef word (*create_call)(word session, attribute *a, word n, word *object);

enum { C_CreateObject = 20, C_SignInit = 42, C_Sign = 43, CKA_VALUE = 0x11, MOST_ATTRIBUTES = 32 };

// sign_data is one C_SignInit and one C_Sign, into a buffer that was given.
static word sign_data(functions *f, word session, word key, word type, unsigned char *parameter, word parameter_bytes,
	const unsigned char *data, word data_bytes, unsigned char *out, word *out_bytes) {
	mechanism m = { type, parameter_bytes > 0 ? parameter : (void *)0, parameter_bytes };
	word rv = ((init_call)f->call[C_SignInit])(session, &m, key);
	if (rv != 0) {
		return rv;
	}
	return ((data_call)f->call[C_Sign])(session, data, data_bytes, out, out_bytes);
}

// create_secret makes an object with n attributes, whose values stand one after the other, and with a secret CKA_VALUE.
static word create_secret(functions *f, word session, const word *types, const word *lengths, unsigned char *values, word n,
	unsigned char *secret, word secret_bytes, word *object) {
	attribute a[MOST_ATTRIBUTES + 1];
	if (n > MOST_ATTRIBUTES) {
		return 0x07; // CKR_ARGUMENTS_BAD
	}
	for (word i = 0; i < n; i++) {
		a[i] = (attribute){ types[i], values, lengths[i] };
		values += lengths[i];
	}
	a[n] = (attribute){ CKA_VALUE, secret, secret_bytes };
	return ((create_call)f->call[C_CreateObject])(session, a, n + 1, object);
}
*/
import "C"

import (
	"unsafe"

	"github.com/miekg/pkcs11"
)

// maxSignature is the room for a signature in bytes: more than any encoding needs, so that a longer one than was expected
// is seen and refused.
const maxSignature = 512

// sign makes one signature. miekg/pkcs11 would ask the token for the length first, a second call to a device that may be
// far away, and believe the answer; EP11 says 96 bytes of a signature of 192.
func (c cryptoki) sign(session pkcs11.SessionHandle, key pkcs11.ObjectHandle, m Mechanism, data []byte) ([]byte, error) {
	out := make([]byte, maxSignature)
	n := C.word(len(out))
	err := result(C.sign_data(c.list, C.word(session), C.word(key), C.word(m.Type), pointer(m.Parameter),
		C.word(len(m.Parameter)), pointer(data), C.word(len(data)), pointer(out), &n))
	if err != nil {
		return nil, err
	}
	return out[:min(int(n), len(out))], nil
}

// create makes an object with the attributes, and with the secret as CKA_VALUE. miekg/pkcs11 would copy the secret into
// memory that it frees without wiping.
func (c cryptoki) create(session pkcs11.SessionHandle, template []*pkcs11.Attribute, secret []byte) (pkcs11.ObjectHandle, error) {
	types, lengths := make([]C.word, len(template)), make([]C.word, len(template))
	var values []byte
	for i, a := range template {
		types[i], lengths[i] = C.word(a.Type), C.word(len(a.Value))
		values = append(values, a.Value...)
	}
	var object C.word
	err := result(C.create_secret(c.list, C.word(session), unsafe.SliceData(types), unsafe.SliceData(lengths), pointer(values),
		C.word(len(template)), pointer(secret), C.word(len(secret)), &object))
	return pkcs11.ObjectHandle(object), err
}
