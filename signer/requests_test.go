package signer_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/protolambda/zrnt/eth2/beacon/altair"
	"github.com/protolambda/zrnt/eth2/configs"
	"github.com/protolambda/ztyp/tree"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/internal/vectors"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// The objects of duties as JSON has them in the beacon API and in the remote
// signing API: numbers are decimal strings, bytes are hex with 0x.

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	digits, ok := strings.CutPrefix(string(text), "0x")
	if !ok {
		return fmt.Errorf("%.10q does not start with 0x", text)
	}
	*h, err = hex.DecodeString(digits)
	return err
}

type attestationJSON struct {
	Slot   uint64   `json:"slot,string"`
	Index  uint64   `json:"index,string"`
	Block  hexBytes `json:"beacon_block_root"`
	Source struct {
		Epoch uint64   `json:"epoch,string"`
		Root  hexBytes `json:"root"`
	} `json:"source"`
	Target struct {
		Epoch uint64   `json:"epoch,string"`
		Root  hexBytes `json:"root"`
	} `json:"target"`
}

func (a attestationJSON) duty() signer.Attestation {
	return signer.Attestation{
		Slot: a.Slot, Index: a.Index, BeaconBlockRoot: keyshare.Root(a.Block),
		Source: signer.Checkpoint{Epoch: a.Source.Epoch, Root: keyshare.Root(a.Source.Root)},
		Target: signer.Checkpoint{Epoch: a.Target.Epoch, Root: keyshare.Root(a.Target.Root)},
	}
}

type aggregateJSON struct {
	Aggregator uint64 `json:"aggregator_index,string"`
	Aggregate  struct {
		Bits       hexBytes        `json:"aggregation_bits"`
		Data       attestationJSON `json:"data"`
		Signature  hexBytes        `json:"signature"`
		Committees hexBytes        `json:"committee_bits"`
	} `json:"aggregate"`
	SelectionProof hexBytes `json:"selection_proof"`
}

func (a aggregateJSON) duty() signer.AggregateAndProof {
	d := signer.AggregateAndProof{
		AggregatorIndex: a.Aggregator,
		Aggregate: signer.Aggregate{
			Bits: a.Aggregate.Bits, Data: a.Aggregate.Data.duty(),
			Signature: [96]byte(a.Aggregate.Signature),
		},
		SelectionProof: [96]byte(a.SelectionProof),
	}
	copy(d.Aggregate.CommitteeBits[:], a.Aggregate.Committees)
	return d
}

type headerJSON struct {
	Slot     uint64   `json:"slot,string"`
	Proposer uint64   `json:"proposer_index,string"`
	Parent   hexBytes `json:"parent_root"`
	State    hexBytes `json:"state_root"`
	Body     hexBytes `json:"body_root"`
}

func (h headerJSON) duty() signer.Block {
	return signer.Block{
		Slot: h.Slot, ProposerIndex: h.Proposer,
		ParentRoot: keyshare.Root(h.Parent), StateRoot: keyshare.Root(h.State), BodyRoot: keyshare.Root(h.Body),
	}
}

// minimal is a network of the minimal preset with the fork versions and the
// genesis validators root of the recorded requests.
func minimal(t *testing.T, versions [2]string, root keyshare.Root) *signer.Network {
	t.Helper()
	c := devnet()
	c.GenesisValidatorsRoot, c.SlotsPerEpoch, c.MaxCommitteesPerSlot = root, 8, 4
	copy(c.Forks[0].Version[:], unhex(t, versions[0]))
	copy(c.Forks[1].Version[:], unhex(t, versions[1]))
	c.Forks = c.Forks[:2]
	n, err := signer.NewNetwork(c)
	require.NoError(t, err)
	return n
}

type request struct {
	Type string `json:"type"`
	Fork struct {
		Fork struct {
			Previous string `json:"previous_version"`
			Current  string `json:"current_version"`
		} `json:"fork"`
		Root hexBytes `json:"genesis_validators_root"`
	} `json:"fork_info"`
	SigningRoot string `json:"signingRoot"`
}

// requestRoot recomputes a request's signing root from its type, object and fork.
func requestRoot(t *testing.T, line []byte) (root keyshare.Root, want string, err error) {
	t.Helper()
	var r request
	require.NoError(t, json.Unmarshal(line, &r))
	duty, err := requestDuty(t, r.Type, line)
	if err != nil {
		return keyshare.Root{}, r.SigningRoot, err
	}
	n := minimal(t, [2]string{r.Fork.Fork.Previous, r.Fork.Fork.Current}, keyshare.Root(r.Fork.Root))
	root, err = signer.SigningRoot(n, duty)
	return root, r.SigningRoot, err
}

func requestDuty(t *testing.T, kind string, line []byte) (signer.Duty, error) {
	t.Helper()
	var r struct {
		Attestation attestationJSON        `json:"attestation"`
		Aggregate   aggregateJSON          `json:"aggregate_and_proof"`
		Slot        struct{ Slot number }  `json:"aggregation_slot"`
		Randao      struct{ Epoch number } `json:"randao_reveal"`
		Block       struct {
			Version string          `json:"version"`
			Block   json.RawMessage `json:"block"`
		} `json:"beacon_block"`
		Message struct {
			Root hexBytes `json:"beacon_block_root"`
			Slot number   `json:"slot"`
		} `json:"sync_committee_message"`
		Selection struct {
			Slot         number `json:"slot"`
			Subcommittee number `json:"subcommittee_index"`
		} `json:"sync_aggregator_selection_data"`
		Contribution struct {
			Aggregator   number `json:"aggregator_index"`
			Contribution struct {
				Slot         number   `json:"slot"`
				Root         hexBytes `json:"beacon_block_root"`
				Subcommittee number   `json:"subcommittee_index"`
				Bits         hexBytes `json:"aggregation_bits"`
				Signature    hexBytes `json:"signature"`
			} `json:"contribution"`
			SelectionProof hexBytes `json:"selection_proof"`
		} `json:"contribution_and_proof"`
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, err
	}
	switch kind {
	case "ATTESTATION":
		return r.Attestation.duty(), nil
	case "AGGREGATE_AND_PROOF":
		return r.Aggregate.duty(), nil
	case "AGGREGATION_SLOT":
		return signer.SelectionProof{Slot: uint64(r.Slot.Slot)}, nil
	case "RANDAO_REVEAL":
		return signer.Randao{Epoch: uint64(r.Randao.Epoch)}, nil
	case "SYNC_COMMITTEE_MESSAGE":
		return signer.SyncCommitteeMessage{Slot: uint64(r.Message.Slot), BeaconBlockRoot: keyshare.Root(r.Message.Root)}, nil
	case "SYNC_COMMITTEE_SELECTION_PROOF":
		return signer.SyncSelectionProof{Slot: uint64(r.Selection.Slot), SubcommitteeIndex: uint64(r.Selection.Subcommittee)}, nil
	case "SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF":
		c := r.Contribution.Contribution
		d := signer.SyncContribution{
			AggregatorIndex: uint64(r.Contribution.Aggregator),
			Slot:            uint64(c.Slot), BeaconBlockRoot: keyshare.Root(c.Root), SubcommitteeIndex: uint64(c.Subcommittee),
			Signature: [96]byte(c.Signature), SelectionProof: [96]byte(r.Contribution.SelectionProof),
		}
		require.LessOrEqual(t, len(c.Bits), len(d.Bits))
		copy(d.Bits[:], c.Bits)
		return d, nil
	case "BLOCK_V2":
		require.Equal(t, "ALTAIR", r.Block.Version, "later forks send a header")
		var b altair.BeaconBlock
		if err := json.Unmarshal(r.Block.Block, &b); err != nil {
			return nil, err
		}
		return signer.Block{
			Slot: uint64(b.Slot), ProposerIndex: uint64(b.ProposerIndex),
			ParentRoot: keyshare.Root(b.ParentRoot), StateRoot: keyshare.Root(b.StateRoot),
			BodyRoot: keyshare.Root(b.Body.HashTreeRoot(configs.Minimal, tree.GetHashFn())),
		}, nil
	}
	t.Fatalf("unknown type %s", kind)
	return nil, nil
}

// number is a decimal in a string.
type number uint64

func (n *number) UnmarshalJSON(b []byte) error { return n.UnmarshalText(bytes.Trim(b, `"`)) }

func (n *number) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 10, 64)
	*n = number(v)
	return err
}

// What a validator client asks to have signed has the root that it says, and with
// any field changed another one, or none.
func TestRecordedRequests(t *testing.T) {
	lines := bytes.Split(bytes.TrimSpace(vectors.Read(t, "remote/sign_requests.jsonl")), []byte("\n"))
	require.NotEmpty(t, lines)
	kinds := map[string]int{}
	for _, line := range lines {
		root, want, err := requestRoot(t, line)
		require.NoError(t, err)
		require.Equal(t, want, root.String())
		var fields map[string]any
		require.NoError(t, json.Unmarshal(line, &fields))
		kinds[fields["type"].(string)]++
		if m, ok := fields["sync_committee_message"].(map[string]any); ok {
			m["slot"] = json.Number(m["slot"].(string)) // the root depends on its epoch only, through the fork
		}
		altered := 0
		alter(fields, func() {
			changed, err := json.Marshal(fields)
			require.NoError(t, err)
			altered++
			if root, _, err := requestRoot(t, changed); err == nil {
				require.NotEqual(t, want, root.String(), "%s", changed)
			}
		})
		require.Greater(t, altered, 1)
	}
	require.Len(t, kinds, 8)
}

// alter calls try with each string below v changed, one at a time, but for those
// that the root does not depend on or that name a format.
func alter(v any, try func()) {
	switch v := v.(type) {
	case map[string]any:
		for key, field := range v {
			text, ok := field.(string)
			if !ok {
				if key == "fork" {
					delete(field.(map[string]any), "epoch") // the client's own epoch, not the fork's
				}
				alter(field, try)
				continue
			}
			if key == "type" || key == "version" || key == "signingRoot" || key == "previous_version" {
				continue
			}
			last := text[len(text)-1]
			other := byte('0')
			if last == '0' {
				other = '1'
			}
			v[key] = text[:len(text)-1] + string(other)
			try()
			v[key] = text
		}
	case []any:
		for _, e := range v {
			alter(e, try)
		}
	}
}
