package software

import (
	"testing"

	"github.com/claystack/dvkeys/keyshare"
)

// documentedCost is what new files cost when no test has made them cheap.
var documentedCost = newCost

// CheapPassphrases makes new files and new passphrases cheap, for tests.
func CheapPassphrases() { newCost = cost{time: 1, memory: 64, threads: 1} }

// RealPassphrases undoes CheapPassphrases.
func RealPassphrases() { newCost = documentedCost }

// MakeFile makes a file with n keys, without the tests that Generate makes of each.
func MakeFile(tb testing.TB, path string, p Passphrase, n int) error {
	b, err := Open(path, p, nil)
	if err != nil {
		return err
	}
	next, done := make(chan int), make(chan struct{}, 256)
	for range cap(done) {
		go func() {
			for range next {
				k, err := keyshare.Generate()
				if err == nil {
					err = b.put(k, "")
					k.Destroy()
				}
				if err != nil {
					tb.Error(err)
				}
			}
			done <- struct{}{}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	for range cap(done) {
		<-done
	}
	return b.Close()
}
