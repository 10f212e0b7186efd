package dkg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/claystack/dvkeys/internal/strictjson"
	"github.com/claystack/dvkeys/keyshare"
)

// Lineage is the public record of one generation of a validator key: who has shares
// of it, and which generation they come from. Each operator keeps its own; in a
// reshare old public keys come from there and never from what a peer says. An
// operator that is new to a key takes the lineage from the certificate of the ceremony
// that made it (see Verify), or from a source it trusts.
//
// A key that a dealer split has generation 0 and no transcript.
type Lineage struct {
	Group      *keyshare.Group
	Generation uint64   // 0 for the first
	Transcript [32]byte // of the ceremony that made it
	Parent     [32]byte // hash of the generation before; zeros for the first
}

// Hash returns what names the generation.
func (l *Lineage) Hash() [32]byte {
	parts := [][]byte{l.Group.Commitment().Bytes(), be64(l.Generation), l.Transcript[:], l.Parent[:]}
	for _, id := range l.Group.Members() {
		parts = append(parts, be64(id))
	}
	return tagHash(tagLineage, parts...)
}

// lineageJSON is the encoding of a lineage.
type lineageJSON struct {
	Group      *keyshare.Group `json:"group"`
	Generation uint64          `json:"generation"`
	Transcript Session         `json:"transcript"`
	Parent     Session         `json:"parent"`
}

// MarshalJSON encodes the lineage as {"group":…,"generation":…,"transcript":"…","parent":"…"},
// the hashes in 64 hex digits.
func (l *Lineage) MarshalJSON() ([]byte, error) {
	return json.Marshal(lineageJSON{l.Group, l.Generation, l.Transcript, l.Parent})
}

// UnmarshalJSON decodes what MarshalJSON writes and checks the group.
func (l *Lineage) UnmarshalJSON(b []byte) error {
	var v lineageJSON
	if err := strictjson.Decode(b, &v); err != nil {
		return fmt.Errorf("dkg: lineage: %w", err)
	}
	if v.Group == nil {
		return errors.New("dkg: lineage: the group is missing")
	}
	*l = Lineage{v.Group, v.Generation, v.Transcript, v.Parent}
	return nil
}

// checkLineages holds that the lineages are those of the Params, and that the dealers
// can deal: they are members, and at least the old threshold.
func (s *session) checkLineages() error {
	if len(s.lineages) != len(s.params.Parents) {
		return fmt.Errorf("dkg: %d lineages for %d parents", len(s.lineages), len(s.params.Parents))
	}
	for v, l := range s.lineages {
		if l == nil || l.Group == nil {
			return fmt.Errorf("dkg: lineage of key %d is missing", v)
		}
		if l.Hash() != s.params.Parents[v] {
			return fmt.Errorf("dkg: key %d: the params name another generation than our record, which is generation %d of %s", v, l.Generation, l.Group.PublicKey())
		}
		old := l.Group
		if len(s.dealers) < old.Threshold() {
			return fmt.Errorf("dkg: key %d: %d dealers, but the old threshold is %d: with fewer members of the old group the key can not be handed over", v, len(s.dealers), old.Threshold())
		}
		for _, d := range s.dealers {
			if _, member := old.Member(d.ID); !member {
				return fmt.Errorf("dkg: key %d: dealer %d has no share of it", v, d.ID)
			}
		}
		if s.params.Kind == Refresh && (old.Threshold() != s.params.Threshold || !slices.Equal(old.Members(), s.params.members())) {
			return fmt.Errorf("dkg: key %d: a refresh keeps members and threshold; this is a reshare", v)
		}
	}
	return nil
}

// next returns the generation that a ceremony makes of key v.
func (s *session) next(v int, g *keyshare.Group, result [32]byte) *Lineage {
	l := &Lineage{Group: g, Transcript: result}
	if s.lineages != nil {
		l.Generation, l.Parent = s.lineages[v].Generation+1, s.params.Parents[v]
	}
	return l
}

// sameKey holds that a reshare did not change the validator's key.
func (s *session) sameKey(v int, g *keyshare.Group) bool {
	if s.lineages == nil {
		return true
	}
	a, b := g.PublicKey().Bytes(), s.lineages[v].Group.PublicKey().Bytes()
	return bytes.Equal(a[:], b[:])
}
