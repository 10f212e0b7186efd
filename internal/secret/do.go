//go:build !goexperiment.runtimesecret

package secret

// do calls f. Built with GOEXPERIMENT=runtimesecret it also erases the registers and the stack that f used.
func do(f func()) { f() }
