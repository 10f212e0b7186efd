package keystore

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/claystack/dvkeys/internal/eip2335"
	"github.com/claystack/dvkeys/internal/strictjson"
	"github.com/claystack/dvkeys/keyshare"
)

// ErrPassword says that a password does not open a keystore. Whether it is the password that is wrong or a keystore that
// was altered cannot be told.
var ErrPassword = eip2335.ErrPassword

// version of the format, the only one.
const version = 4

// minPassword is how many characters a new keystore's password has at least, as in the Ethereum deposit tool.
const minPassword = 12

// Keystore is a BLS secret key encrypted under a password: the content of an EIP-2335 file, version 4. Only [Encrypt],
// [Parse] and reading make one. The exported fields are what the file says beside the encrypted key; they may be changed
// before the keystore is written, the public key excepted.
type Keystore struct {
	PublicKey   keyshare.PublicKey // the zero value if the file does not say
	Path        string             // where the key was derived, "" if it was not; other tools write other things here
	UUID        string
	Description string

	crypto *eip2335.Crypto
}

// Options say how Encrypt encrypts, and what it writes beside the key. The zero value is scrypt, no path and no
// description.
type Options struct {
	// PBKDF2 derives the key from the password by PBKDF2 instead of scrypt. Opening takes a tenth of the time and next
	// to no memory; so does guessing the password.
	PBKDF2 bool

	// Path is where the key was derived. Some tools, the Ethereum deposit tool among them, refuse keystores without one.
	Path Path

	// Description is for people to read.
	Description string

	cost int // weaker, for tests; see eip2335.Options
}

// Encrypt encrypts a key, or a share of one, under a password with scrypt (n 262144, r 8, p 1) or PBKDF2 (262144
// iterations). Salt, IV and UUID are random.
//
// The password is UTF-8 of at least 12 characters (those that count: EIP-2335 drops control characters) and at most 4096
// bytes, and neither begins nor ends with a space, which some tools would drop. The caller wipes it.
func Encrypt(k keyshare.Secret, password []byte, o *Options) (*Keystore, error) {
	if o == nil {
		o = &Options{}
	}
	if err := checkLength(password); err != nil {
		return nil, err
	}
	how := eip2335.Options{Cost: o.cost}
	if o.PBKDF2 {
		how.KDF = eip2335.PBKDF2
	}
	store := &Keystore{PublicKey: k.PublicKey(), Path: o.Path.String(), UUID: newUUID(), Description: o.Description}
	err := k.Use(func(secret []byte) (err error) {
		store.crypto, err = eip2335.Encrypt(secret, password, &how)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return store, nil
}

func checkLength(password []byte) error {
	n := 0
	for rest := password; len(rest) > 0; {
		c, size := utf8.DecodeRune(rest)
		if rest = rest[size:]; !unicode.IsControl(c) {
			n++
		}
	}
	if n < minPassword {
		return fmt.Errorf("keystore: password has fewer than %d characters", minPassword)
	}
	return nil
}

// newUUID returns a random UUID (RFC 9562, version 4).
func newUUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Decrypt returns the key. It tries the password as EIP-2335 normalises it, then, if that is another, as it is: some tools
// do not normalise. Any password may be tried, the empty one, too. If neither opens the keystore the error is
// [ErrPassword]; there is another if what was encrypted is no key or not the key of PublicKey.
//
// It takes the time and memory that the file asks for: half a second and 256 MiB as a rule, at most about half a minute
// and 1 GiB. All calls together use 1 GiB at most; some wait.
func (k *Keystore) Decrypt(password []byte) (*keyshare.SecretKey, error) {
	if k.crypto == nil {
		return nil, errEmpty
	}
	secret, err := k.crypto.Decrypt(password)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	defer secret.Destroy()
	key, err := keyshare.ParseSecretKey(secret.Bytes())
	if err != nil {
		return nil, fmt.Errorf("keystore: decrypted %w", err)
	}
	if !k.PublicKey.IsZero() && k.PublicKey != key.PublicKey() {
		key.Destroy()
		return nil, fmt.Errorf("keystore: pubkey is %v, but the encrypted key's is %v", k.PublicKey, key.PublicKey())
	}
	return key, nil
}

var errEmpty = errors.New("keystore: the keystore is empty: it was neither encrypted nor read")

// Parse reads a keystore: exactly one JSON object, no more than 64 KiB.
//
// It refuses another version than 4, any algorithm but those of EIP-2335, compared by their exact names, parameters that
// are invalid or cost too much, a key of another length than 32 bytes, a key of JSON that occurs twice, and data after the
// object. It takes what deviates and is clear: a missing path, description, public key or UUID, a name in place of the
// description, further members, hex in upper case or with 0x, whole numbers in quotes.
func Parse(b []byte) (*Keystore, error) {
	k, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("keystore: %w", err)
	}
	return k, nil
}

// maxSize is the length in bytes of the longest file: sixty times what one usually has.
const maxSize = 64 << 10

func parse(b []byte) (*Keystore, error) {
	if len(b) > maxSize {
		return nil, fmt.Errorf("file has %d bytes, expected at most %d", len(b), maxSize)
	}
	members, err := strictjson.Object(b)
	if err != nil {
		return nil, fmt.Errorf("file %w", err)
	}
	if v, ok := members["version"]; !ok {
		return nil, fmt.Errorf("version is missing, expected %d", version)
	} else if string(v) != fmt.Sprint(version) {
		return nil, fmt.Errorf("version is %.20s, expected %d", v, version)
	}
	k := &Keystore{crypto: new(eip2335.Crypto)}
	var publicKey, name string
	for member, to := range map[string]*string{
		"pubkey": &publicKey, "path": &k.Path, "uuid": &k.UUID, "description": &k.Description, "name": &name,
	} {
		if raw, ok := members[member]; ok && json.Unmarshal(raw, to) != nil { // null leaves "" there
			return nil, fmt.Errorf("%s is not a string", member)
		}
	}
	if k.Description == "" {
		k.Description = name
	}
	if publicKey != "" {
		if err := k.PublicKey.UnmarshalText([]byte(publicKey)); err != nil {
			return nil, fmt.Errorf("pubkey: %w", err)
		}
	}
	crypto, ok := members["crypto"]
	if !ok {
		return nil, errors.New("crypto is missing")
	}
	if err := k.crypto.UnmarshalJSON(crypto); err != nil {
		return nil, err
	}
	if n := k.crypto.Len(); n != keyshare.SecretKeySize {
		return nil, fmt.Errorf("crypto.cipher.message has %d bytes, expected %d", n, keyshare.SecretKeySize)
	}
	return k, nil
}

// MarshalJSON returns the file's content: the members in the order in which the Ethereum deposit tool writes them, hex in
// lower case without 0x.
func (k *Keystore) MarshalJSON() ([]byte, error) {
	if k.crypto == nil {
		return nil, errEmpty
	}
	file := struct {
		Crypto      *eip2335.Crypto `json:"crypto"`
		Description string          `json:"description"`
		PublicKey   string          `json:"pubkey,omitempty"`
		Path        string          `json:"path"`
		UUID        string          `json:"uuid"`
		Version     int             `json:"version"`
	}{k.crypto, k.Description, "", k.Path, k.UUID, version}
	if !k.PublicKey.IsZero() {
		b := k.PublicKey.Bytes()
		file.PublicKey = hex.EncodeToString(b[:])
	}
	return json.Marshal(file)
}

// UnmarshalJSON does what [Parse] does.
func (k *Keystore) UnmarshalJSON(b []byte) error {
	parsed, err := Parse(b)
	if err == nil {
		*k = *parsed
	}
	return err
}
