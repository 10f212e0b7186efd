package envelope

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// CopySecret copies a secret that is to be imported, after checking that it is what it says. The caller destroys the
// copy.
func CopySecret(k keyshare.Secret) (*keyshare.SecretKey, error) {
	if k == nil {
		return nil, errors.New("no key given")
	}
	var secretKey *keyshare.SecretKey
	err := k.Use(func(plain []byte) (err error) {
		if secretKey == nil {
			secretKey, err = keyshare.ParseSecretKey(plain)
		}
		return err
	})
	if secretKey == nil {
		if err == nil {
			err = errors.New("the key does not lend its secret")
		}
		return nil, err
	}
	if err == nil && secretKey.PublicKey() != k.PublicKey() {
		err = fmt.Errorf("the secret's public key is %s, not %s as it says", secretKey.PublicKey(), k.PublicKey())
	}
	if err != nil {
		secretKey.Destroy()
		return nil, err
	}
	return secretKey, nil
}
