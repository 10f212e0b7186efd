//go:build goexperiment.runtimesecret

package secret

import "runtime/secret"

// do calls f and erases the registers and the stack that f used.
func do(f func()) { secret.Do(f) }
