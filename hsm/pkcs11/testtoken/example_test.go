package testtoken_test

import (
	"fmt"

	"github.com/miekg/pkcs11"

	"github.com/claystack/dvkeys/hsm/pkcs11/testtoken"
)

// A program finds the token as it finds any other, and notices when it is taken away.
func Example() {
	token, err := testtoken.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer token.Close()

	module := pkcs11.New(token.Module())
	defer module.Destroy()
	if err := module.Initialize(); err != nil {
		fmt.Println(err)
		return
	}
	defer module.Finalize()
	info, err := module.GetTokenInfo(0)
	fmt.Println(info.Label, err)

	err = token.Set(testtoken.Behaviour{Removed: true})
	fmt.Println(err)
	_, err = module.GetTokenInfo(0)
	fmt.Println(err)
	// Output:
	// dvkeys test token <nil>
	// <nil>
	// pkcs11: 0xE0: CKR_TOKEN_NOT_PRESENT
}
