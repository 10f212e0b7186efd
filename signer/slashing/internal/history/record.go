package history

// Record is one validator's history.
type Record struct {
	Marks  Marks
	Blocks []Block // ascending by slot
	Votes  []Vote  // ascending by target
}

// Merge returns the union of two histories, with what is out of date folded into the marks: everything if not complete,
// and otherwise what is not above the marks, or older than what is kept.
func Merge(a, b Record, complete bool) Record {
	r := Record{Marks: a.Marks, Blocks: MergeBlocks(a.Blocks, b.Blocks), Votes: MergeVotes(a.Votes, b.Votes)}
	r.Marks.Merge(b.Marks)
	for len(r.Blocks) > 0 {
		oldest, newest := r.Blocks[0], r.Blocks[len(r.Blocks)-1]
		if complete && !(r.Marks.Blocks && oldest.Slot <= r.Marks.Slot) && !StaleBlock(oldest.Slot, newest.Slot) {
			break
		}
		r.Marks.FoldBlock(oldest.Slot)
		r.Blocks = r.Blocks[1:]
	}
	for len(r.Votes) > 0 {
		oldest, newest := r.Votes[0], r.Votes[len(r.Votes)-1]
		if complete && !(r.Marks.Votes && oldest.Target <= r.Marks.Target) && !StaleVote(oldest.Target, newest.Target) {
			break
		}
		r.Marks.FoldVote(oldest.MaxSource, oldest.Target)
		r.Votes = r.Votes[1:]
	}
	return r
}

// StaleBlock reports whether a block's entry is folded when there is one at a later slot.
func StaleBlock(slot, later uint64) bool { return later > slot && later-slot > KeepSlots }

// StaleVote reports whether a vote's entry is folded when there is one with a later target.
func StaleVote(target, later uint64) bool { return later > target && later-target > Keep }
