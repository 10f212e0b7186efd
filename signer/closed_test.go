package signer_test

import (
	"context"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// untouched is a key that must not be used.
type untouched struct {
	keyshare.Key
	t *testing.T
}

func (k untouched) SignRoots(context.Context, ...keyshare.Root) ([]keyshare.Signature, error) {
	k.t.Error("the key was used")
	return nil, nil
}

// TestDutiesAreClosed holds that nothing but this package's types by value is signed:
// no pointer to one, which has its methods, and no struct in which one is embedded.
func TestDutiesAreClosed(t *testing.T) {
	k := testKey(t, 1)
	o := everythingAllowed()
	g := guard(t, untouched{k, t}, k.PublicKey(), o)
	for _, d := range every(k.PublicKey()) {
		pointer := reflect.New(reflect.TypeOf(d))
		pointer.Elem().Set(reflect.ValueOf(d))
		for name, disguised := range map[string]signer.Duty{
			"pointer":     pointer.Interface().(signer.Duty),
			"nil pointer": reflect.Zero(pointer.Type()).Interface().(signer.Duty),
			"embedded":    struct{ signer.Duty }{d},
			"in pointer":  &struct{ signer.Duty }{d},
		} {
			results := sign(t, g, disguised)
			require.ErrorContains(t, results[0].Err, "is no duty", "%s to %T", name, d)
			require.True(t, results[0].Signature.IsZero())
			_, err := signer.SigningRoot(signer.Mainnet, disguised)
			require.ErrorContains(t, err, "is no duty", "%s to %T", name, d)
		}
	}
}
