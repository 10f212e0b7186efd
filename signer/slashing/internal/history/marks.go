package history

import "fmt"

// Marks are the highest numbers that a validator has signed, of what was folded into them.
type Marks struct {
	Blocks         bool // Slot counts
	Slot           uint64
	Votes          bool // Source and Target count
	Source, Target uint64
}

// Limit is the highest slot or epoch that is taken. No chain comes there, and PostgreSQL counts no further.
const Limit = 1<<63 - 1

// refused is the reason of a refusal, which a store wraps with its sentinel.
type refused string

func (r refused) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refused(fmt.Sprintf(format, args...)) }

// Refused reports whether an error of this package is a refusal by the history.
func Refused(err error) bool {
	_, ok := err.(refused)
	return ok
}

func (m Marks) checkBlock(slot uint64) error {
	if m.Blocks && slot <= m.Slot {
		return refuse("block at slot %d: blocks up to slot %d may have been signed", slot, m.Slot)
	}
	return nil
}

func (m Marks) checkVote(source, target uint64) error {
	switch {
	case !m.Votes:
		return nil
	case source < m.Source:
		return refuse("attestation with source %d: sources up to %d have been signed", source, m.Source)
	case target <= m.Target:
		return refuse("attestation with target %d: targets up to %d may have been signed", target, m.Target)
	}
	return nil
}

// FoldBlock raises the marks to a block's slot.
func (m *Marks) FoldBlock(slot uint64) { m.Blocks, m.Slot = true, max(m.Slot, slot) }

// FoldVote raises the marks to a vote's epochs, each by itself.
func (m *Marks) FoldVote(source, target uint64) {
	m.Votes, m.Source, m.Target = true, max(m.Source, source), max(m.Target, target)
}

// Merge raises the marks to those of another history of the same validator.
func (m *Marks) Merge(other Marks) {
	if other.Blocks {
		m.FoldBlock(other.Slot)
	}
	if other.Votes {
		m.FoldVote(other.Source, other.Target)
	}
}
