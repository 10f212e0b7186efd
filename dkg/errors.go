package dkg

import (
	"errors"
	"fmt"

	"github.com/claystack/dvkeys/keyshare"
)

// VersionError says that something came from a peer that runs another version of the
// protocol.
type VersionError struct{ Peer uint16 }

func (e *VersionError) Error() string {
	return fmt.Sprintf("dkg: peer runs version %d of the protocol, this is version %d", e.Peer, Version)
}

// ErrNotResumable is returned by [New] for a session that was begun by a process
// that is gone and can not be gone on with: its secrets were in that process's
// memory, and without a Decrypter there is no other copy. Start a new session.
var ErrNotResumable = errors.New("dkg: the session was begun by an earlier process and its secrets are lost: start a new one")

// AbortError says that the ceremony failed by a participant's fault.
type AbortError struct {
	Faulty []keyshare.Index // who is at fault, ascending
	Code   Code             // what the fault is
	Detail string           // in words

	// Evidence convinces anybody who has the Params: see VerifyEvidence. It is
	// nil where a fault can not be proved, which Code.Provable says.
	Evidence []byte

	// Confirmed says that this party had confirmed the result before the fault
	// came up. Others may have the complete certificate: keep the shares, and ask
	// for it (see Recover) before they are given up.
	Confirmed bool
}

func (e *AbortError) Error() string {
	return fmt.Sprintf("dkg: aborted: operators %d: %s: %s", e.Faulty, e.Code, e.Detail)
}

// TimeoutError says that the ceremony did not finish in time. It blames nobody: a
// message that did not arrive may have been lost.
type TimeoutError struct {
	Round     Round
	Silent    []keyshare.Index // whose message of that round is missing, ascending
	Disagree  []keyshare.Index // those of Silent who sent one that belongs to another view of the session
	Confirmed bool             // as in AbortError
	Cause     error            // of the context, and what failed on the way, if the transport says so

	// Version is of a message that was dropped because it is of another version of the
	// protocol. Anybody may have sent it: it is a hint.
	Version *VersionError
}

func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("dkg: no %s from operators %d in time", e.Round, e.Silent)
	if len(e.Disagree) > 0 {
		text = fmt.Sprintf("dkg: no %s that fits from operators %d in time; of these, %d have seen other messages than we", e.Round, e.Silent, e.Disagree)
	}
	if e.Version != nil {
		text += fmt.Sprintf("; a message came of version %d, this is version %d", e.Version.Peer, Version)
	}
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

// Unwrap returns Cause.
func (e *TimeoutError) Unwrap() error { return e.Cause }
