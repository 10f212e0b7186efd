package dkg

import "fmt"

// Code says what a participant did wrong. PROTOCOL.md has the order of the checks.
type Code uint8

// The codes. A message with a bad signature has none: it is dropped, since anybody
// may have made it.
const (
	CodeEquivocation Code = 2  // two different messages of one kind
	CodeEncoding     Code = 3  // a body of wrong length or encoding
	CodeOpening      Code = 4  // commitments and salt do not open the commitment of the Hello
	CodeCount        Code = 5  // not exactly threshold commitments for a key
	CodePoint        Code = 6  // a point not on the curve, not in the subgroup, not canonical, or at infinity
	CodeZero         Code = 7  // a constant term at infinity: a secret of zero
	CodeDuplicate    Code = 8  // one constant term in two dealings, or one Hello key in two Hellos
	CodeProof        Code = 9  // a proof of knowledge that does not verify
	CodeSealed       Code = 10 // a share that does not decrypt, or to no scalar in 1 … r-1
	CodeShare        Code = 11 // a share that is not the committed polynomial's value
	CodeComplaint    Code = 12 // a complaint that is not true
	CodeConfirm      Code = 13 // a confirmation of the right dealings with another result
	CodePartial      Code = 14 // a partial signature that does not verify
	CodeRoots        Code = 15 // a confirmation with other application roots; not provable: one of the two is configured wrongly
	CodeOldShare     Code = 16 // a reshare's dealing whose constant term is not the dealer's old share
)

var codeTexts = map[Code]string{
	CodeEquivocation: "sent two different messages of one kind",
	CodeEncoding:     "sent a message of wrong length or encoding",
	CodeOpening:      "dealt other commitments than it had announced",
	CodeCount:        "sent a wrong number of commitments",
	CodePoint:        "sent a point that is not in the group",
	CodeZero:         "dealt a secret of zero",
	CodeDuplicate:    "used another's key as its own",
	CodeProof:        "did not prove that it knows its secret",
	CodeSealed:       "sent a share that does not decrypt to a scalar",
	CodeShare:        "sent a share that does not lie on its polynomial",
	CodeComplaint:    "made a false complaint",
	CodeConfirm:      "confirmed a result that does not follow from the dealings",
	CodePartial:      "sent a wrong partial signature",
	CodeRoots:        "signs other application roots",
	CodeOldShare:     "did not deal its old share",
}

// String returns the code as PROTOCOL.md writes it, and what it means.
func (c Code) String() string {
	text, known := codeTexts[c]
	if !known {
		text = "unknown"
	}
	return fmt.Sprintf("B%02d, %s", uint8(c), text)
}

// Provable reports whether a fault of this code comes with evidence that convinces
// others.
func (c Code) Provable() bool { return c != CodeRoots }
