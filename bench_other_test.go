//go:build !linux

package dvkeys_test

import "testing"

func pin(b *testing.B) { b.Skip("no way to keep to one core here") }
