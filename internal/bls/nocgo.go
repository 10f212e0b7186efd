//go:build !cgo

package bls

// Without cgo the build stops here, with this one error.
var _ = dvkeys_needs_cgo__set_CGO_ENABLED_1_and_install_a_C_compiler
