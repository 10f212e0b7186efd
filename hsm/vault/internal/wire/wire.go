// Package wire is what the client in hsm/vault and the secrets engine in hsm/vault/plugin say to each other: the paths
// below the engine's mount, and the JSON objects that requests and responses (the "data" of Vault's answers) consist of.
//
// # Conventions
//
// Public keys, signatures and roots are 0x and lower-case hex digits (48, 96 and 32 bytes); other bytes are standard
// base64 with padding. Who asks for signatures Uncompressed gets both coordinates of the point, 192 bytes, which take half the
// time to read. Numbers that may be above 2^53 (operator ids, the numbers in duties) are decimal strings. Objects
// may gain fields; a reader ignores those that it does not know in an answer, and the engine refuses those that it does
// not know in a request.
//
// # Paths
//
// ":name" is 1 to 128 bytes of letters, digits, '_', '-' and '.', of which the last two are neither first nor last; two
// dots do not follow each other. In keys/ (read and delete) the public key of a key, as 0x and 96 hex digits, stands for its name.
//
//	LIST   keys/?after=&limit=   List            names in ascending order of their bytes, after a name
//	PUT    keys/:name            Create, Key     makes the key inside, or returns the one that has the name
//	PUT    keys                  CreateMany, CreatedMany
//	GET    keys/:name            Key
//	DELETE keys/:name
//	PUT    import/wrapping       WrappingKey     a one-time RSA key of the engine
//	PUT    import                Import, Key     see Import
//	PUT    sign/:name            Sign, Signed    raw roots, if config allows them
//	PUT    sign                  SignMany, SignedMany
//	PUT    split/:name           Split, Splitted
//	PUT    split                 SplitMany, SplittedMany
//	PUT    seal/:name            Seal, Sealed
//	PUT    <kind>/:name          Duties, Results typed: kind is the "type" of package signer's encoded duties
//	PUT    <kind>                DutiesMany, ResultsMany
//	GET    stats                 Stats           proves that the engine can sign
//	GET    config, PUT config                    for administrators, not used by the client
//
// # Errors
//
// An answer that is no success has an HTTP status and Vault's {"errors": [text]}: 400 for a request that can not be
// right, 403 for what the engine's configuration forbids (Vault uses it for tokens and policies), 404 for a key that is
// not there or is not the one whose public key the request names, 409 for a name or public key that is taken, 422 for what
// is stored and damaged, 5xx for what may pass. In a batch each element has its own [Fault]; but what may pass when keys
// are made or split fails the whole request, which is safe to repeat.
package wire

import "encoding/json"

// Version is the version of the engine that this client was made for, which Vault shows as running_plugin_version. Both
// sides understand each other if major and minor version agree.
const Version = "v0.1.0"

// PluginName is the name under which the engine is registered in Vault's catalogue unless somebody renames it.
const PluginName = "vault-plugin-dvkeys"

// Limits that the engine holds requests to; the client cuts larger batches into several.
const (
	MaxRoots     = 1000 // in one request, over all keys
	MaxDuties    = 1000 // in one request
	MaxKeys      = 100  // to make in one request
	MaxOperators = 1000 // in one request: of a SplitMany, keys times operators
	MaxPage      = 1000 // names in a List
)

// Key is the public side of a stored key.
type Key struct {
	Name      string `json:"name"`
	PublicKey string `json:"public_key"`

	// Label is what Create or Import said; empty otherwise.
	Label string `json:"label,omitempty"`

	// Validator is what Import said; empty otherwise.
	Validator string `json:"validator,omitempty"`
}

// List is the answer to LIST keys. Keys says the names in order; Vault's answer to a list without any is 404.
type List struct {
	Names []string       `json:"keys"`
	Info  map[string]Key `json:"key_info"` // by name; without a public key if the record is damaged
}

// Create asks for a new key. The name in the path makes the request repeatable: if there is a key of that name, it is
// returned, whatever its label. When the answer comes, the key is stored durably, has been read back from storage and has
// made a test signature (hsm.TestSign).
type Create struct {
	Label string `json:"label,omitempty"` // kept with the key; as hsm.CheckLabel accepts
}

// CreateMany is Create for many names at once, 1 to MaxKeys; for a name that stands twice, the key of the first.
type CreateMany struct {
	Requests []CreateKey `json:"requests"`
}

// CreateKey is a Create for a name.
type CreateKey struct {
	Name string `json:"name"`
	Create
}

// CreatedMany has one element a request, in order.
type CreatedMany struct {
	Results []CreatedKey `json:"results"`
}

// CreatedKey has a key or a fault.
type CreatedKey struct {
	Key
	Fault *Fault `json:"fault,omitempty"`
}

// WrappingKey is a fresh RSA key of the engine for one Import. It is kept in memory only and for ten minutes.
type WrappingKey struct {
	ID        string `json:"id"`
	PublicKey []byte `json:"public_key"` // PKIX, DER; 2048 to 4096 bits
}

// Import stores a key from outside. Wrapped is the secret, 32 bytes big-endian, encrypted by RSAES-OAEP with SHA-256 to
// the wrapping key with that id, under the label
//
//	"dvkeys/vault import v1" 0x00 name 0x00 public key (48 bytes)
//
// The wrapping key is used up by the first request that names it, whether or not it succeeds. If the same key is stored
// under this name, it is returned; the name with another key, and the key with another name, are 409.
type Import struct {
	Name       string `json:"name"`
	Label      string `json:"label,omitempty"`
	PublicKey  string `json:"public_key"`
	WrappingID string `json:"wrapping_id"`
	Wrapped    []byte `json:"wrapped"`

	// Validator is the public key of the validator of which the secret is a share; empty for one that is whole. Deposits
	// and credential changes that a share signs name the validator.
	Validator string `json:"validator,omitempty"`
}

// ImportLabel returns the OAEP label of an Import.
func ImportLabel(name string, publicKey [48]byte) []byte {
	label := append([]byte("dvkeys/vault import v1\x00"), name...)
	return append(append(label, 0), publicKey[:]...)
}

// Sign asks for signatures of raw roots.
type Sign struct {
	PublicKey    string   `json:"public_key,omitempty"` // which key the name must have; empty: any
	Roots        []string `json:"roots"`                // 1 to MaxRoots
	Uncompressed bool     `json:"uncompressed,omitempty"`
}

// Signed has one signature a root, in order.
type Signed struct {
	Signatures []string `json:"signatures"`
}

// SignMany is Sign for many keys at once: 1 to MaxRoots roots over all, and one at least for each.
type SignMany struct {
	Requests []SignKey `json:"requests"`
}

// SignKey is a Sign for a named key.
type SignKey struct {
	Name string `json:"name"`
	Sign
}

// SignedMany has one element a request, in order.
type SignedMany struct {
	Results []SignedKey `json:"results"`
}

// SignedKey has signatures or a fault.
type SignedKey struct {
	Signed
	Fault *Fault `json:"fault,omitempty"`
}

// Duties asks for signatures of duties of one kind, which the engine judges.
type Duties struct {
	PublicKey    string            `json:"public_key,omitempty"`
	Network      string            `json:"network"` // its name
	Duties       []json.RawMessage `json:"duties"`  // as signer.EncodeDuty writes them; all of the path's kind; 1 to MaxDuties
	Uncompressed bool              `json:"uncompressed,omitempty"`
}

// Results has one element a duty, in order.
type Results struct {
	Results []Result `json:"results"`
}

// Result has a signature or a fault.
type Result struct {
	Signature string `json:"signature,omitempty"`
	Fault     *Fault `json:"fault,omitempty"`
}

// Fault says why one element of a batch failed.
type Fault struct {
	Code string `json:"code"` // one of the constants below
	Text string `json:"text"` // for people
}

// What went wrong with one element of a batch.
const (
	Invalid     = "invalid"     // the request can not be right
	Slashable   = "slashable"   // it contradicts what was signed
	Denied      = "denied"      // the configuration forbids it
	NotFound    = "not_found"   // no such key
	Corrupt     = "corrupt"     // what is stored is damaged
	Unavailable = "unavailable" // it may succeed later
)

// DutiesMany is Duties for many keys at once: one request for all validators that attest in a slot.
type DutiesMany struct {
	Network  string      `json:"network"`
	Requests []DutiesKey `json:"requests"` // 1 to MaxDuties duties over all, one at least for each; a key may stand twice

	Uncompressed bool `json:"uncompressed,omitempty"`
}

// DutiesKey are the duties of a named key.
type DutiesKey struct {
	Name      string            `json:"name"`
	PublicKey string            `json:"public_key,omitempty"`
	Duties    []json.RawMessage `json:"duties"`
}

// ResultsMany has one element a request, in order.
type ResultsMany struct {
	Results []ResultsKey `json:"results"`
}

// ResultsKey has results or a fault, which is for all duties of the key.
type ResultsKey struct {
	Results
	Fault *Fault `json:"fault,omitempty"`
}

// Split asks to share the key among operators inside.
type Split struct {
	PublicKey string     `json:"public_key,omitempty"`
	Threshold int        `json:"threshold"`
	Operators []Operator `json:"operators"`
}

// Operator is keyshare.Operator.
type Operator struct {
	ID        uint64 `json:"id,string"`
	PublicKey []byte `json:"public_key"` // PKIX, DER
}

// Splitted is what came of a Split: the sealed shares stand in the order of the operators.
type Splitted struct {
	Group  string   `json:"group"` // keyshare.Group as JSON, in a string: its numbers go beyond what Vault passes on
	Sealed []Sealed `json:"sealed"`
}

// SplitMany is Split for many keys at once, among the same operators.
type SplitMany struct {
	Threshold int        `json:"threshold"`
	Operators []Operator `json:"operators"`
	Requests  []SplitKey `json:"requests"` // 1 at least; times the operators, MaxOperators at most
}

// SplitKey names a key.
type SplitKey struct {
	Name      string `json:"name"`
	PublicKey string `json:"public_key,omitempty"` // which it must have; empty: any
}

// SplittedMany has one element a request, in order.
type SplittedMany struct {
	Results []SplittedKey `json:"results"`
}

// SplittedKey has what came of a split or a fault.
type SplittedKey struct {
	Splitted
	Fault *Fault `json:"fault,omitempty"`
}

// Seal asks to encrypt the key as it is, a share, to one operator.
type Seal struct {
	PublicKey string   `json:"public_key,omitempty"`
	Operator  Operator `json:"operator"`
}

// Sealed is keyshare.Sealed.
type Sealed struct {
	ID         uint64 `json:"id,string"`
	PublicKey  string `json:"public_key"`
	Ciphertext []byte `json:"ciphertext"`
}

// Stats says that the engine works: it has read its configuration from storage and, if it keeps any key, has made a test
// signature with one, just now. The counts are since the plugin's process started.
type Stats struct {
	Version    string `json:"version"`
	RawSigning bool   `json:"raw_signing"` // whether Sign is allowed by config
	Signatures uint64 `json:"signatures,string"`
	Refused    uint64 `json:"refused,string"`
}
