package interchange

import (
	"encoding/json"
	"strconv"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer/slashing/internal/history"
)

type fileJSON struct {
	Metadata metadataJSON    `json:"metadata"`
	Data     []validatorJSON `json:"data"`
}

type metadataJSON struct {
	Version string `json:"interchange_format_version"`
	Root    string `json:"genesis_validators_root"`
}

type validatorJSON struct {
	Key    keyshare.PublicKey `json:"pubkey"`
	Blocks []blockJSON        `json:"signed_blocks"`
	Votes  []voteJSON         `json:"signed_attestations"`
}

type blockJSON struct {
	Slot string `json:"slot"`
	Root string `json:"signing_root,omitempty"`
}

type voteJSON struct {
	Source string `json:"source_epoch"`
	Target string `json:"target_epoch"`
	Root   string `json:"signing_root,omitempty"`
}

// Writer collects validators into a file.
type Writer struct{ file fileJSON }

// NewWriter begins a file of the chain with the given genesis validators root.
func NewWriter(genesisValidatorsRoot keyshare.Root) *Writer {
	return &Writer{fileJSON{Metadata: metadataJSON{version, genesisValidatorsRoot.String()}, Data: []validatorJSON{}}}
}

// Add adds a validator's history. Marks become one block and one attestation without a signing root: whoever imports
// them refuses what is not above them. Of attestations for one target with several sources, the lowest and the highest
// stand for all.
func (w *Writer) Add(key keyshare.PublicKey, r history.Record) {
	v := validatorJSON{Key: key, Blocks: []blockJSON{}, Votes: []voteJSON{}}
	if r.Marks.Blocks {
		v.Blocks = append(v.Blocks, blockJSON{Slot: decimal(r.Marks.Slot)})
	}
	if r.Marks.Votes {
		v.Votes = append(v.Votes, voteJSON{Source: decimal(r.Marks.Source), Target: decimal(r.Marks.Target)})
	}
	for _, b := range r.Blocks {
		v.Blocks = append(v.Blocks, blockJSON{decimal(b.Slot), known(b.Root, b.Rooted)})
	}
	for _, a := range r.Votes {
		v.Votes = append(v.Votes, voteJSON{decimal(a.MinSource), decimal(a.Target), known(a.Root, a.Rooted)})
		if a.MaxSource != a.MinSource {
			v.Votes = append(v.Votes, voteJSON{Source: decimal(a.MaxSource), Target: decimal(a.Target)})
		}
	}
	w.file.Data = append(w.file.Data, v)
}

// File returns the file.
func (w *Writer) File() ([]byte, error) {
	b, err := json.MarshalIndent(w.file, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

func decimal(n uint64) string { return strconv.FormatUint(n, 10) }

func known(root keyshare.Root, rooted bool) string {
	if !rooted {
		return ""
	}
	return root.String()
}
