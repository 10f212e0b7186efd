package shamir_test

import (
	"errors"
	"fmt"
	"log"

	"github.com/claystack/dvkeys/shamir"
)

// A secret is shared among four holders so that any three can recover it.
func Example() {
	secret, err := shamir.RandomScalar()
	if err != nil {
		log.Fatal(err)
	}
	defer secret.Destroy()

	shares, commitment, err := shamir.Split(secret, 3, []shamir.Index{378, 379, 381, 382})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(shares), "shares, threshold", commitment.Threshold())
	fmt.Println("a share is right:", commitment.Verify(shares[0]) == nil)

	whole, err := shamir.Combine(commitment, shares[1:])
	if err != nil {
		log.Fatal(err)
	}
	defer whole.Destroy()
	fmt.Println("recovered:", whole.Equal(secret))

	_, err = shamir.Combine(commitment, shares[:2])
	fmt.Println(err)

	shares[1].Value = secret // not what holder 379 was given
	_, err = shamir.Combine(commitment, shares)
	var failed *shamir.CombineError
	fmt.Println(errors.As(err, &failed), failed.Bad)
	fmt.Println(shares[0])

	// Output:
	// 4 shares, threshold 3
	// a share is right: true
	// recovered: true
	// shamir: 2 shares, expected at least 3
	// true [379]
	// {378 [secret]}
}
