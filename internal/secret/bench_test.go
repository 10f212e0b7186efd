package secret

import (
	"runtime"
	"testing"

	"github.com/awnumar/memguard"
)

// use reads a secret.
func use(plain []byte) error {
	runtime.KeepAlive(plain[0])
	return nil
}

// The two ways to keep a 32-byte secret encrypted and to have it in locked memory for one use.
func BenchmarkBoxUse(b *testing.B) {
	x, err := Seal(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := x.Use(use); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMemguardEnclave(b *testing.B) {
	x := memguard.NewEnclave(make([]byte, 32))
	b.ReportAllocs()
	for b.Loop() {
		plain, err := x.Open()
		if err != nil {
			b.Fatal(err)
		}
		_ = use(plain.Bytes())
		plain.Destroy()
	}
}

func BenchmarkBoxOpen(b *testing.B) {
	x, err := Seal(make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		plain, err := x.Open()
		if err != nil {
			b.Fatal(err)
		}
		_ = use(plain.Bytes())
		plain.Destroy()
	}
}

func BenchmarkSeal(b *testing.B) {
	plain := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Seal(plain); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkBufferNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		buf, err := New(32)
		if err != nil {
			b.Fatal(err)
		}
		buf.Destroy()
	}
}

func BenchmarkBufferNewLarge(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		buf, err := New(65)
		if err != nil {
			b.Fatal(err)
		}
		buf.Destroy()
	}
}

// A box for each core: only the free list of slots is shared.
func BenchmarkBoxUseParallel(b *testing.B) {
	b.RunParallel(func(pb *testing.PB) {
		x, err := Seal(make([]byte, 32))
		if err != nil {
			b.Error(err)
			return
		}
		for pb.Next() {
			if err := x.Use(use); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
