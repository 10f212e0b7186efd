//go:build !cgo || !unix

package pkcs11

// A module is a C library. Without cgo, or on a system without dlopen, the build stops here with this one error.
var _ = pkcs11_needs_cgo_on_a_unix_system__set_CGO_ENABLED_1_and_install_a_C_compiler
