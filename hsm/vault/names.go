package vault

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/claystack/dvkeys/keyshare"
)

// A key's name in Vault is made from its label, so that a call that is repeated with the label meets the same key: a
// label that is a plain name stands for itself, any other is hashed. A key without a label gets a name of its own.
const (
	hashedPrefix  = "label-" // and 64 hex digits
	unnamedPrefix = "key-"   // and 32 hex digits
)

var plainName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?$`)

// enginesName is what the engine takes as a name: more than this client gives, since others may make keys too.
var enginesName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,126}[A-Za-z0-9_])?$`)

// nameOf returns the name for a label that is not "".
func nameOf(label string) string {
	if plainName.MatchString(label) && !strings.Contains(label, "..") && !strings.HasPrefix(label, hashedPrefix) && !strings.HasPrefix(label, unnamedPrefix) {
		return label
	}
	sum := sha256.Sum256([]byte(label))
	return hashedPrefix + hex.EncodeToString(sum[:])
}

// labelOf returns the label of a key by its name and what was stored with it.
func labelOf(name, stored string) string {
	if stored != "" || strings.HasPrefix(name, unnamedPrefix) || strings.HasPrefix(name, hashedPrefix) {
		return stored
	}
	return name
}

// freshName returns a name for a new key without a label. It is drawn once for all attempts to make the key.
func freshName() string {
	var b [16]byte
	rand.Read(b[:])
	return unnamedPrefix + hex.EncodeToString(b[:])
}

// nameOfImport returns the name for a key that comes without a label.
func nameOfImport(pk keyshare.PublicKey) string {
	b := pk.Bytes()
	return unnamedPrefix + hex.EncodeToString(b[1:17])
}
