package transport_test

import (
	"context"
	"fmt"

	"github.com/claystack/dvkeys/dkg/transport"
)

// What one party sends, all others receive, also who joins later.
func ExampleMemory() {
	ctx := context.Background()
	network := transport.NewMemory(1)
	a, b := network.Join(), network.Join()
	if err := a.Send(ctx, []byte("hello")); err != nil {
		panic(err)
	}
	late := network.Join()
	for _, end := range []interface {
		Receive(context.Context) ([][]byte, error)
	}{b, late} {
		messages, err := end.Receive(ctx)
		fmt.Printf("%s %v\n", messages, err)
	}
	// Output:
	// [hello] <nil>
	// [hello] <nil>
}
