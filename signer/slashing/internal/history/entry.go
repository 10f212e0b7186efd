package history

import (
	"cmp"
	"slices"
)

// Keep is how many epochs, and KeepSlots how many slots, an entry is kept by the complete strategy after a later one
// was signed. It is far more than any duty is late.
const (
	Keep      = 512
	KeepSlots = 32 * Keep
)

// Block is all that is known of the blocks signed for a slot. Rooted says that exactly one was, and that Root is its
// signing root: no value of Root stands for a missing one.
type Block struct {
	Slot   uint64
	Rooted bool
	Root   [32]byte
}

// Vote is all that is known of the attestations signed for a target: one, if Rooted, with the signing root Root.
type Vote struct {
	Target               uint64
	MinSource, MaxSource uint64 // of the attestations for this target
	Rooted               bool
	Root                 [32]byte
	Highest              uint64 // the highest source of all entries up to this one
	Lowest               uint64 // the lowest source of all entries from this one on
}

// CheckBlock decides about a block. first is the validator's entry with the lowest slot, same the one at this slot; nil
// if there is none. A repetition of what was signed is permitted and needs no new entry.
func CheckBlock(m Marks, first, same *Block, slot uint64, root [32]byte) (repeated bool, err error) {
	if same != nil {
		if same.Rooted && same.Root == root {
			return true, nil
		}
		return false, refuse("block at slot %d: another one has been signed", slot)
	}
	if err := m.checkBlock(slot); err != nil {
		return false, err
	}
	if first != nil && slot < first.Slot {
		return false, refuse("block at slot %d: it is before the history, which begins at slot %d", slot, first.Slot)
	}
	return false, nil
}

// CheckVote decides about an attestation. first is the validator's entry with the lowest target; before, same and after
// are the entries next below this target, at it, and next above it; nil if there is none. entry is to be stored, unless
// the attestation repeats what was signed. That no source may be lower than all of the history needs no look of its own:
// behind the first entry such an attestation surrounds it.
func CheckVote(m Marks, first, before, same, after *Vote, source, target uint64, root [32]byte) (entry Vote, repeated bool, err error) {
	if source > target {
		return Vote{}, false, refuse("attestation with source %d and target %d: the source is later", source, target)
	}
	if same != nil {
		if same.Rooted && same.Root == root && same.MinSource == source && same.MaxSource == source {
			return Vote{}, true, nil
		}
		return Vote{}, false, refuse("attestation with target %d: another one has been signed", target)
	}
	if err := m.checkVote(source, target); err != nil {
		return Vote{}, false, err
	}
	switch {
	case first != nil && target < first.Target:
		return Vote{}, false, refuse("attestation with target %d: it is before the history, which begins at target %d", target, first.Target)
	case before != nil && source < before.Highest:
		return Vote{}, false, refuse("attestation from %d to %d: it surrounds one with source %d", source, target, before.Highest)
	case after != nil && source > after.Lowest:
		return Vote{}, false, refuse("attestation from %d to %d: one with source %d surrounds it", source, target, after.Lowest)
	}
	return Vote{Target: target, MinSource: source, MaxSource: source, Rooted: true, Root: root, Highest: source, Lowest: source}, false, nil
}

// MergeBlocks unites lists of blocks of one validator into one, ascending by slot.
func MergeBlocks(lists ...[]Block) []Block {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b Block) int { return cmp.Compare(a.Slot, b.Slot) })
	merged := all[:0]
	for _, b := range all {
		last := len(merged) - 1
		switch {
		case last < 0 || merged[last].Slot != b.Slot:
			merged = append(merged, b)
		case !merged[last].Rooted || !b.Rooted || merged[last].Root != b.Root:
			merged[last] = Block{Slot: b.Slot}
		}
	}
	return merged
}

// MergeVotes unites lists of votes of one validator into one, ascending by target, and computes Highest and Lowest.
func MergeVotes(lists ...[]Vote) []Vote {
	all := slices.Concat(lists...)
	slices.SortStableFunc(all, func(a, b Vote) int { return cmp.Compare(a.Target, b.Target) })
	merged := all[:0]
	for _, v := range all {
		last := len(merged) - 1
		if last < 0 || merged[last].Target != v.Target {
			merged = append(merged, v)
			continue
		}
		l := &merged[last]
		if !l.Rooted || !v.Rooted || l.Root != v.Root || l.MinSource != v.MinSource || l.MaxSource != v.MaxSource {
			l.Rooted, l.Root = false, [32]byte{}
		}
		l.MinSource, l.MaxSource = min(l.MinSource, v.MinSource), max(l.MaxSource, v.MaxSource)
	}
	highest := uint64(0)
	for i := range merged {
		highest = max(highest, merged[i].MaxSource)
		merged[i].Highest = highest
	}
	lowest := uint64(Limit)
	for i := len(merged) - 1; i >= 0; i-- {
		lowest = min(lowest, merged[i].MinSource)
		merged[i].Lowest = lowest
	}
	return merged
}
