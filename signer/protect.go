package signer

import (
	"context"
	"errors"

	"github.com/claystack/dvkeys/keyshare"
)

// ErrSlashable is wrapped by the error of a duty that would contradict, or could
// contradict, what was signed before.
var ErrSlashable = errors.New("signer: slashable")

// Claim asks for the right to make one slashable signature.
type Claim struct {
	// Validator is the validator's public key, also where a share of it signs:
	// the chain punishes the validator.
	Validator keyshare.PublicKey

	Duty Duty          // an Attestation or a Block
	Root keyshare.Root // the signing root
}

// Protector keeps the history of what validators have signed and refuses what
// contradicts it (EIP-3076). Packages signer/slashing and signer/slashing/postgres
// have one each.
type Protector interface {
	// GenesisValidatorsRoot names the chain whose history this is.
	GenesisValidatorsRoot() keyshare.Root

	// Protect checks each claim and records it, in one atomic step, and returns
	// one error a claim, in order. Where it is nil the record is durable and the
	// signature may be made; where it wraps ErrSlashable the claim contradicts
	// the history, or an earlier claim of the same call. Any other error says that
	// the claim could not be recorded; nothing may be signed for it.
	//
	// Claims that are made in one call share one durable commit.
	Protect(ctx context.Context, claims ...Claim) []error
}
