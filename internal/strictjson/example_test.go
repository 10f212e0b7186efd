package strictjson_test

import (
	"fmt"

	"github.com/claystack/dvkeys/internal/strictjson"
)

// What encoding/json reads in one of two ways is refused.
func Example() {
	var v struct{ Amount int }
	fmt.Println(strictjson.Decode([]byte(`{"Amount": 32}`), &v), v.Amount)
	fmt.Println(strictjson.Decode([]byte(`{"Amount": 32, "Amount": 1}`), &v))
	fmt.Println(strictjson.Decode([]byte(`{"Amount": 32} {}`), &v))

	// Output:
	// <nil> 32
	// has the key "Amount" twice at byte 23
	// is not one JSON value: fault at byte 16 of 17
}
