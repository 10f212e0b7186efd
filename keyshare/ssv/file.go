package ssv

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/claystack/dvkeys/keyshare"
)

// The versions that [File.Bytes] writes. The two have the same content; the
// SDK and the web application take both.
const (
	V120 = "v1.2.0"
	V110 = "v1.1.0"
)

// File is a keyshares file: what the web application, the SDK or an
// orchestrator needs to register validators on the network. The order of Items
// is the order of registration.
type File struct {
	// Version is the file's version mark; empty means [V120].
	Version string
	// CreatedAt is written in UTC with milliseconds; zero means the time of
	// writing.
	CreatedAt time.Time
	// Items are the validators, with consecutive nonces.
	Items []Item
}

// Item is one validator: who it belongs to, and what is to be registered.
type Item struct {
	Data    Data
	Payload Payload
}

// Data describes the validator.
type Data struct {
	// Nonce is the owner's registration count that this item was signed for,
	// at most [MaxNonce].
	Nonce uint64
	// Owner is the account that will register the validator.
	Owner keyshare.Address
	// PublicKey is the validator's.
	PublicKey keyshare.PublicKey
	// Operators are in ascending order of ids.
	Operators []keyshare.Operator
}

// Payload is what the registration puts on chain.
type Payload struct {
	// PublicKey is the validator's.
	PublicKey keyshare.PublicKey
	// OperatorIDs are in ascending order.
	OperatorIDs []keyshare.Index
	// SharesData is the blob described at [SharesData].
	SharesData []byte
}

// Bytes returns the file as JSON with two spaces of indent, no newline at its
// end, and the field order of the network's own tools. Owners are in EIP-55
// mixed case, operator keys in the form of [FormatOperatorKey]. A file without
// items, with another version than [V120] or [V110], or with a value that has
// no encoding is an error. Bytes does not call [Verify].
func (f *File) Bytes() ([]byte, error) {
	version, created := f.Version, f.CreatedAt.UTC()
	if version == "" {
		version = V120
	}
	if version != V120 && version != V110 {
		return nil, fmt.Errorf("ssv: version: cannot write %s, want %q or %q", quote(version), V120, V110)
	}
	if f.CreatedAt.IsZero() {
		created = time.Now().UTC()
	}
	if created.Year() < 0 || created.Year() > 9999 {
		return nil, fmt.Errorf("ssv: createdAt: year %d, want 0 to 9999", created.Year())
	}
	if len(f.Items) == 0 {
		return nil, errors.New("ssv: shares: no items to write")
	}
	out := fileJSON{version, created.Format("2006-01-02T15:04:05.000Z"), make([]itemJSON, len(f.Items))}
	for i, it := range f.Items {
		if err := out.Shares[i].set(it); err != nil {
			return nil, fmt.Errorf("ssv: shares[%d].%w", i, err)
		}
	}
	return json.MarshalIndent(out, "", "  ")
}

type fileJSON struct {
	Version   string     `json:"version"`
	CreatedAt string     `json:"createdAt"`
	Shares    []itemJSON `json:"shares"`
}

type itemJSON struct {
	Data    dataJSON    `json:"data"`
	Payload payloadJSON `json:"payload"`
}

type dataJSON struct {
	Nonce     uint64         `json:"ownerNonce"`
	Owner     string         `json:"ownerAddress"`
	PublicKey string         `json:"publicKey"`
	Operators []operatorJSON `json:"operators"`
}

type operatorJSON struct {
	ID  keyshare.Index `json:"id"`
	Key string         `json:"operatorKey"`
}

type payloadJSON struct {
	PublicKey   string           `json:"publicKey"`
	OperatorIDs []keyshare.Index `json:"operatorIds"`
	SharesData  string           `json:"sharesData"`
}

func (j *itemJSON) set(it Item) error {
	switch {
	case it.Data.PublicKey.IsZero():
		return errors.New("data.publicKey: names no key")
	case it.Payload.PublicKey.IsZero():
		return errors.New("payload.publicKey: names no key")
	}
	j.Data = dataJSON{it.Data.Nonce, it.Data.Owner.String(), it.Data.PublicKey.String(), make([]operatorJSON, len(it.Data.Operators))}
	for i, o := range it.Data.Operators {
		key, err := formatOperatorKey(o.PublicKey)
		if err != nil {
			return fmt.Errorf("data.operators[%d].operatorKey: %w", i, err)
		}
		j.Data.Operators[i] = operatorJSON{o.ID, key}
	}
	j.Payload = payloadJSON{it.Payload.PublicKey.String(), it.Payload.OperatorIDs, "0x" + hex.EncodeToString(it.Payload.SharesData)}
	if j.Payload.OperatorIDs == nil {
		j.Payload.OperatorIDs = []keyshare.Index{}
	}
	return nil
}
