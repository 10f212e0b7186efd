package eip2335

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/internal/kdf"
	"github.com/claystack/dvkeys/internal/secret"
)

// ErrPassword says that a password does not open a keystore. Whether it is the password that is wrong or a keystore that
// was altered cannot be told.
var ErrPassword = errors.New("eip2335: wrong password, or an altered keystore")

// errZero is for a Crypto that neither Encrypt nor UnmarshalJSON made.
var errZero = errors.New("eip2335: the zero Crypto holds no secret")

// KDF is the function that derives the key from the password.
type KDF int

const (
	Scrypt KDF = iota // takes 256 MiB and about half a second
	PBKDF2            // takes next to no memory, and less time: easier on the user, and on who guesses the password
)

// Options say how to encrypt; nil is scrypt of the usual cost.
type Options struct {
	KDF KDF
	// Cost is the binary logarithm of scrypt's n or of the number of PBKDF2's iterations; 0 is 18, what all tools use.
	// A lower one makes tests fast and passwords easy to guess.
	Cost int
}

const (
	keySize   = 32 // of the derived key in bytes
	usualCost = 18
)

// Crypto is an encrypted secret. It does not change and is safe for concurrent use.
type Crypto struct {
	kdf      KDF
	n, r, p  uint64 // of scrypt
	c        uint64 // iterations of PBKDF2
	salt     []byte
	checksum [sha256.Size]byte
	iv       [aes.BlockSize]byte
	message  []byte // the ciphertext
}

// Encrypt encrypts a secret. The password is 1 to 4096 bytes of UTF-8 that neither begin nor end with a space.
func Encrypt(plain, password []byte, o *Options) (*Crypto, error) {
	if o == nil {
		o = &Options{}
	}
	cost := o.Cost
	if cost == 0 {
		cost = usualCost
	}
	c := &Crypto{kdf: o.KDF, salt: make([]byte, 32), message: make([]byte, len(plain))}
	switch o.KDF {
	case Scrypt:
		c.n, c.r, c.p = 1<<cost, 8, 1
	case PBKDF2:
		c.c = 1 << cost
	default:
		return nil, fmt.Errorf("eip2335: KDF is %d, expected Scrypt or PBKDF2", o.KDF)
	}
	normalized, err := normalize(password)
	if err != nil {
		return nil, fmt.Errorf("eip2335: %w", err)
	}
	defer normalized.Destroy()
	if err := checkPassword(password, normalized.Bytes()); err != nil {
		return nil, err
	}
	rand.Read(c.salt)
	rand.Read(c.iv[:])
	key, err := c.derive(normalized.Bytes())
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	if err := c.crypt(c.message, plain, key.Bytes()); err != nil {
		return nil, err
	}
	kdf.SHA256(c.checksum[:], key.Bytes()[16:], c.message)
	return c, nil
}

// Len returns the length of the secret in bytes.
func (c *Crypto) Len() int { return len(c.message) }

// Decrypt returns the secret. It tries the password as EIP-2335 normalises it, then as it is, if that is not the same;
// ErrPassword says that neither opens it. Any password may be tried, the empty one, too.
//
// It takes the time and memory that the object's parameters ask for, and waits while other calls use up the memory that
// all have together: see [kdf.ScryptMemory].
func (c *Crypto) Decrypt(password []byte) (*secret.Buffer, error) {
	normalized, err := normalize(password)
	if err != nil {
		return nil, fmt.Errorf("eip2335: %w", err)
	}
	defer normalized.Destroy()
	plain, err := c.open(normalized.Bytes())
	if errors.Is(err, ErrPassword) && !bytes.Equal(normalized.Bytes(), password) {
		return c.open(password)
	}
	return plain, err
}

func (c *Crypto) open(password []byte) (*secret.Buffer, error) {
	key, err := c.derive(password)
	if err != nil {
		return nil, err
	}
	defer key.Destroy()
	sum := make([]byte, sha256.Size)
	kdf.SHA256(sum, key.Bytes()[16:], c.message)
	if subtle.ConstantTimeCompare(sum, c.checksum[:]) != 1 {
		return nil, ErrPassword
	}
	plain, err := secret.New(len(c.message))
	if err != nil {
		return nil, err
	}
	if err := c.crypt(plain.Bytes(), c.message, key.Bytes()); err != nil {
		plain.Destroy()
		return nil, err
	}
	return plain, nil
}

// derive returns the derived key, 32 bytes.
func (c *Crypto) derive(password []byte) (*secret.Buffer, error) {
	if len(c.salt) == 0 {
		return nil, errZero
	}
	key, err := secret.New(keySize)
	if err != nil {
		return nil, err
	}
	if c.kdf == Scrypt {
		err = kdf.Scrypt(key.Bytes(), password, c.salt, int(c.n), int(c.r), int(c.p))
	} else {
		var m *kdf.MAC
		if m, err = kdf.NewMAC(sha256.New); err == nil {
			m.PBKDF2(key.Bytes(), password, c.salt, int(c.c))
			m.Destroy()
		}
	}
	if err != nil {
		key.Destroy()
		return nil, err
	}
	return key, nil
}

// crypt encrypts or decrypts in to out.
func (c *Crypto) crypt(out, in, key []byte) error {
	block, err := aes.NewCipher(key[:16])
	if err != nil {
		return err
	}
	cipher.NewCTR(block, c.iv[:]).XORKeyStream(out, in)
	return nil
}
