package eip2335

import (
	"crypto/aes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/claystack/dvkeys/internal/kdf"
	"github.com/claystack/dvkeys/internal/strictjson"
)

// The names of the only algorithms there are.
const (
	nameScrypt   = "scrypt"
	namePBKDF2   = "pbkdf2"
	namePRF      = "hmac-sha256"
	nameChecksum = "sha256"
	nameCipher   = "aes-128-ctr"
)

// The most that a file may make a reader spend: PBKDF2's iterations, and the memory that scrypt's passes write together,
// 32 times that of the usual cost. scrypt's memory has the limit [kdf.ScryptMemory].
const (
	maxIterations = 100_000_000
	maxWork       = 8 << 30
)

// module is one of the three parts of the object, in the order of EIP-2335's examples.
type module[P any] struct {
	Function string `json:"function"`
	Params   P      `json:"params"`
	Message  string `json:"message"`
}

type scryptParams struct {
	Length int    `json:"dklen"`
	N      uint64 `json:"n"`
	P      uint64 `json:"p"`
	R      uint64 `json:"r"`
	Salt   string `json:"salt"`
}

type pbkdf2Params struct {
	Length int    `json:"dklen"`
	C      uint64 `json:"c"`
	PRF    string `json:"prf"`
	Salt   string `json:"salt"`
}

type cipherParams struct {
	IV string `json:"iv"`
}

// MarshalJSON returns the object with its members in the order of EIP-2335's examples and in lower-case hex without 0x.
func (c *Crypto) MarshalJSON() ([]byte, error) {
	var object struct {
		KDF      any                  `json:"kdf"`
		Checksum module[struct{}]     `json:"checksum"`
		Cipher   module[cipherParams] `json:"cipher"`
	}
	if len(c.salt) == 0 {
		return nil, errZero
	}
	salt := hex.EncodeToString(c.salt)
	if c.kdf == Scrypt {
		object.KDF = module[scryptParams]{Function: nameScrypt, Params: scryptParams{keySize, c.n, c.p, c.r, salt}}
	} else {
		object.KDF = module[pbkdf2Params]{Function: namePBKDF2, Params: pbkdf2Params{keySize, c.c, namePRF, salt}}
	}
	object.Checksum = module[struct{}]{Function: nameChecksum, Message: hex.EncodeToString(c.checksum[:])}
	object.Cipher = module[cipherParams]{nameCipher, cipherParams{hex.EncodeToString(c.iv[:])}, hex.EncodeToString(c.message)}
	return json.Marshal(object)
}

// UnmarshalJSON reads the object {kdf, checksum, cipher}. It refuses what the package comment says and names the member
// at fault. Further members beside the three are passed over: SSV's operator key files have the public key there.
func (c *Crypto) UnmarshalJSON(b []byte) error {
	parsed, err := parse(b)
	if err != nil {
		return fmt.Errorf("eip2335: %w", err)
	}
	*c = *parsed
	return nil
}

func parse(b []byte) (*Crypto, error) {
	members, err := strictjson.Object(b)
	if err != nil {
		return nil, fmt.Errorf("crypto %w", err)
	}
	object := fields{members: members, err: &err}
	c := new(Crypto)
	c.parseKDF(object.object("kdf", true))

	checksum := object.object("checksum", true)
	checksum.only("function", "params", "message")
	checksum.is("function", nameChecksum)
	checksum.object("params", false).only()
	message := checksum.hex("message")
	if copy(c.checksum[:], message); len(message) != sha256.Size {
		checksum.fail("message", "has %d bytes, expected %d", len(message), sha256.Size)
	}

	cipher := object.object("cipher", true)
	cipher.only("function", "params", "message")
	cipher.is("function", nameCipher)
	params := cipher.object("params", true)
	params.only("iv")
	iv := params.hex("iv")
	if copy(c.iv[:], iv); len(iv) != aes.BlockSize {
		params.fail("iv", "has %d bytes, expected %d", len(iv), aes.BlockSize)
	}
	if c.message = cipher.hex("message"); len(c.message) == 0 {
		cipher.fail("message", "is empty")
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Crypto) parseKDF(f fields) {
	f.only("function", "params", "message")
	if f.text("message", false) != "" {
		f.fail("message", "is not empty")
	}
	function := f.text("function", true)
	params := f.object("params", true)
	if length := params.integer("dklen"); length != keySize {
		params.fail("dklen", "is %d, expected %d", length, keySize)
	}
	if c.salt = params.hex("salt"); len(c.salt) == 0 {
		params.fail("salt", "is empty")
	}
	switch function {
	case nameScrypt:
		c.kdf = Scrypt
		params.only("dklen", "n", "r", "p", "salt")
		c.n, c.r, c.p = params.integer("n"), params.integer("r"), params.integer("p")
		c.checkScrypt(params)
	case namePBKDF2:
		c.kdf = PBKDF2
		params.only("dklen", "c", "prf", "salt")
		params.is("prf", namePRF)
		if c.c = params.integer("c"); c.c == 0 || c.c > maxIterations {
			params.fail("c", "is %d, expected 1 to %d", c.c, maxIterations)
		}
	default:
		f.fail("function", "is %.40q, expected %q or %q", function, nameScrypt, namePBKDF2)
	}
}

func (c *Crypto) checkScrypt(params fields) {
	const large = 1 << 24 // more than any can be, and so little that nothing below overflows
	switch {
	case c.n < 2 || c.n&(c.n-1) != 0:
		params.fail("n", "is %d, expected a power of two above 1", c.n)
	case c.r == 0:
		params.fail("r", "is 0, expected at least 1")
	case c.p == 0:
		params.fail("p", "is 0, expected at least 1")
	case c.n > large || c.r > large || c.p > large || kdf.ScryptSize(c.n, c.r, c.p) > kdf.ScryptMemory:
		params.fail("n", "is %d with r %d and p %d: that takes more than 1 GiB of memory", c.n, c.r, c.p)
	case 128*c.n*c.r*c.p > maxWork:
		params.fail("p", "is %d with n %d and r %d: that takes more than %d times the usual work", c.p, c.n, c.r, maxWork>>28)
	}
}
