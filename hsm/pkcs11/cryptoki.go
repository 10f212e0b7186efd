//go:build cgo && unix

package pkcs11

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include "cryptoki.h"

// load returns the functions of a module, or NULL and in why what the loader says. The module stays loaded.
static functions *load(const char *path, char *why, size_t n) {
	functions *list = NULL;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		const char *e = dlerror();
		strncpy(why, e != NULL ? e : "dlopen failed", n - 1);
		return NULL;
	}
	list_call get = (list_call)dlsym(handle, "C_GetFunctionList");
	if (get == NULL || get(&list) != 0 || list == NULL) {
		strncpy(why, "it has no working C_GetFunctionList", n - 1);
		return NULL;
	}
	return list;
}

static word login(functions *f, word session, const unsigned char *pin, word n) {
	return ((login_call)f->call[C_Login])(session, 1, n == 0 ? NULL : pin, n); // 1: CKU_USER
}

// forget wipes the vector registers, in which memcpy leaves what it copied. The Go runtime interrupts goroutines and saves
// all registers, and the kernel does so for a signal, where they stay. glibc's memcpy uses those from 16 on where the
// processor has them, and nothing else ever overwrites those.
static void forget(void) {
#if defined(__x86_64__)
#define WIPE(n) __asm__ volatile("vpxord %zmm" #n ", %zmm" #n ", %zmm" #n)
	if (__builtin_cpu_supports("avx512f")) {
		WIPE(16); WIPE(17); WIPE(18); WIPE(19); WIPE(20); WIPE(21); WIPE(22); WIPE(23);
		WIPE(24); WIPE(25); WIPE(26); WIPE(27); WIPE(28); WIPE(29); WIPE(30); WIPE(31);
	}
	if (__builtin_cpu_supports("avx")) {
		__asm__ volatile("vzeroall" ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			"xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
		return;
	}
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\tpxor %%xmm3, %%xmm3\n\t"
		"pxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\tpxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7"
		::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7");
#elif defined(__aarch64__)
	__asm__ volatile("movi v0.2d, #0\n\tmovi v1.2d, #0\n\tmovi v2.2d, #0\n\tmovi v3.2d, #0\n\t"
		"movi v4.2d, #0\n\tmovi v5.2d, #0\n\tmovi v6.2d, #0\n\tmovi v7.2d, #0\n\t"
		"movi v16.2d, #0\n\tmovi v17.2d, #0\n\tmovi v18.2d, #0\n\tmovi v19.2d, #0"
		::: "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v16", "v17", "v18", "v19");
#endif
}

// crypt encrypts or decrypts, as init says: one C_…Init and one C_Encrypt or C_Decrypt, straight into out.
static word crypt(functions *f, int init, word session, word key, mechanism *m,
	const unsigned char *in, word in_bytes, unsigned char *out, word *out_bytes) {
	word rv = ((init_call)f->call[init])(session, m, key);
	if (rv != 0) {
		return rv;
	}
	rv = ((data_call)f->call[init + 1])(session, in, in_bytes, out, out_bytes);
	forget();
	return rv;
}

static word crypt_plain(functions *f, int init, word session, word key, word type,
	const unsigned char *in, word in_bytes, unsigned char *out, word *out_bytes) {
	mechanism m = { type, NULL, 0 };
	return crypt(f, init, session, key, &m, in, in_bytes, out, out_bytes);
}

// crypt_gcm is AES-GCM with a tag of 128 bits and an IV of 12 bytes, which the token may replace by its own.
static word crypt_gcm(functions *f, int init, word session, word key, unsigned char *iv, unsigned char *aad, word aad_bytes,
	const unsigned char *in, word in_bytes, unsigned char *out, word *out_bytes) {
	unsigned char local[12];
	memcpy(local, iv, sizeof local);
	gcm_parameters p = { local, sizeof local, 8 * sizeof local, aad, aad_bytes, 128 };
	mechanism m = { 0x1087, &p, sizeof p }; // CKM_AES_GCM
	word rv = crypt(f, init, session, key, &m, in, in_bytes, out, out_bytes);
	memcpy(iv, local, sizeof local);
	return rv;
}
*/
import "C"

import (
	"errors"
	"unsafe"

	"github.com/miekg/pkcs11"
)

// cryptoki calls the functions of a module that see secrets. miekg/pkcs11, which does all else, copies what C_Decrypt
// returns into memory that it frees without wiping, calls it twice, and wants the PIN as a string. These calls read from
// and write to the memory that they are given and nothing else, so that it can be guarded.
type cryptoki struct{ list *C.functions }

// load loads a module, for the rest of the process's life: unloading a library that has threads or exit handlers of its
// own is not safe.
func load(path string) (cryptoki, error) {
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	why := (*C.char)(C.calloc(1, 512))
	defer C.free(unsafe.Pointer(why))
	list := C.load(name, why, 512)
	if list == nil {
		return cryptoki{}, errors.New(C.GoString(why))
	}
	return cryptoki{list}, nil
}

// login logs the user in. An empty PIN stands for the token's own keypad.
func (c cryptoki) login(session pkcs11.SessionHandle, pin []byte) error {
	return result(C.login(c.list, C.word(session), pointer(pin), C.word(len(pin))))
}

// ivSize and tagSize are the lengths of AES-GCM's IV and tag in bytes. No others are used.
const (
	ivSize  = 12
	tagSize = 16
)

// encryptGCM writes ciphertext and tag to out, which has len(plain)+tagSize bytes. iv holds ivSize bytes; afterwards it
// holds those that were used, which some tokens choose themselves.
func (c cryptoki) encryptGCM(session pkcs11.SessionHandle, key pkcs11.ObjectHandle, iv, aad, plain, out []byte) (int, error) {
	return c.gcm(C.C_EncryptInit, session, key, iv, aad, plain, out)
}

// decryptGCM writes the plaintext to out. out should have room for sealed as a whole, since some tokens ask for that.
func (c cryptoki) decryptGCM(session pkcs11.SessionHandle, key pkcs11.ObjectHandle, iv, aad, sealed, out []byte) (int, error) {
	used := [ivSize]byte(iv) // a copy: a stored IV is not the token's to change
	return c.gcm(C.C_DecryptInit, session, key, used[:], aad, sealed, out)
}

func (c cryptoki) gcm(init C.int, session pkcs11.SessionHandle, key pkcs11.ObjectHandle, iv, aad, in, out []byte) (int, error) {
	n := C.word(len(out))
	err := result(C.crypt_gcm(c.list, init, C.word(session), C.word(key), pointer(iv), pointer(aad), C.word(len(aad)),
		pointer(in), C.word(len(in)), pointer(out), &n))
	return int(n), err
}

// decrypt is C_Decrypt with a mechanism that takes no parameter, such as CKM_RSA_PKCS.
func (c cryptoki) decrypt(session pkcs11.SessionHandle, key pkcs11.ObjectHandle, mechanism uint, in, out []byte) (int, error) {
	n := C.word(len(out))
	err := result(C.crypt_plain(c.list, C.C_DecryptInit, C.word(session), C.word(key), C.word(mechanism),
		pointer(in), C.word(len(in)), pointer(out), &n))
	return int(n), err
}

func pointer(b []byte) *C.uchar { return (*C.uchar)(unsafe.Pointer(unsafe.SliceData(b))) }

func result(rv C.word) error {
	if rv == 0 {
		return nil
	}
	return pkcs11.Error(rv)
}
