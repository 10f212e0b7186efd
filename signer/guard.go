package signer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"reflect"

	"go.opentelemetry.io/otel/metric"

	"github.com/claystack/dvkeys/keyshare"
)

// Guard signs the duties of one validator with one key, the validator's or a share
// of it. It signs nothing else: what is signed is always the root of a [Duty] on
// the guard's network. Each duty passes the policy; an attestation or a block is
// recorded by the protector before the key is used; and a signature that can not be
// taken back is verified by a second BLS library before it is returned.
//
// A Guard is safe for concurrent use.
type Guard struct {
	network   *Network
	validator keyshare.PublicKey
	key       keyshare.Key
	public    keyshare.PublicKey // the key's own
	protector Protector
	policy    policy
	verify    bool
	watch     *watch
}

var _ Signer = (*Guard)(nil)

// GuardOptions say what a [Guard] may sign beyond the duties of every day, and who
// watches it. The zero value, or nil, denies every signature that can not be taken
// back, and is silent.
type GuardOptions struct {
	// FeeRecipients are the addresses that a validator registration may name.
	// Without any, registrations are denied.
	FeeRecipients []keyshare.Address

	// GasLimits, if there are any, are the gas limits that a registration may name.
	GasLimits []uint64

	AllowExits             bool // voluntary exits
	AllowDeposits          bool
	AllowCredentialChanges bool
	AllowOwnerNonces       bool

	// MinEpoch denies attestations and blocks before this epoch: attestations by
	// their target.
	MinEpoch uint64

	// VerifyAfterSign verifies every signature before it is returned: about two
	// more signatures' time for one, little more for many of one root. Those that
	// can not be taken back always are verified.
	VerifyAfterSign bool

	// Logger gets one record per duty: signed at Debug, denied and slashable at
	// Warn, failed at Error. It gets public keys, slots and epochs, no signature
	// and no secret. Nil logs nothing.
	Logger *slog.Logger

	// Meter makes the instruments dvkeys.signer.duties, a count by duty and
	// outcome (signed, denied, slashable, failed), and dvkeys.signer.duration,
	// seconds by stage (protect, sign, verify). Nil measures nothing.
	Meter metric.Meter
}

// NewGuard makes a guard for a validator of a network. validator is the validator's
// public key, under which its history is kept; k is its key or a share of it; p
// keeps the history and must be of the network's chain. o may be nil.
func NewGuard(n *Network, validator keyshare.PublicKey, k keyshare.Key, p Protector, o *GuardOptions) (*Guard, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	switch {
	case validator.IsZero():
		return nil, errors.New("signer: guard: the validator's public key is missing")
	case k == nil || k.PublicKey().IsZero():
		return nil, errors.New("signer: guard: the key is missing")
	case p == nil:
		return nil, errors.New("signer: guard: the protector is missing")
	case !reflect.ValueOf(p).Comparable():
		return nil, fmt.Errorf("signer: guard: the protector is a %T, which can not be compared; a pointer expected", p)
	case p.GenesisValidatorsRoot() != n.GenesisValidatorsRoot():
		return nil, fmt.Errorf("signer: guard: the history is of the chain with the genesis validators root %v, %v of %s expected",
			p.GenesisValidatorsRoot(), n.GenesisValidatorsRoot(), n)
	}
	if s, ok := k.(*keyshare.Share); ok && s.Group().PublicKey() != validator {
		return nil, fmt.Errorf("signer: guard: the share is of the validator %v, %v expected", s.Group().PublicKey(), validator)
	}
	if o == nil {
		o = &GuardOptions{}
	}
	w, err := newWatch(o.Logger, o.Meter)
	if err != nil {
		return nil, err
	}
	return &Guard{
		network: n, validator: validator, key: k, public: k.PublicKey(), protector: p,
		policy: newPolicy(o), verify: o.VerifyAfterSign, watch: w,
	}, nil
}

// PublicKey returns the key that the signatures verify under: that of the share, if
// a share signs.
func (g *Guard) PublicKey() keyshare.PublicKey { return g.public }

// Validator returns the validator's public key.
func (g *Guard) Validator() keyshare.PublicKey { return g.validator }

// Sign implements [Signer]. All attestations and blocks among the duties share one
// durable commit of the history. The error is the context's, if it has ended before
// anything was done.
func (g *Guard) Sign(ctx context.Context, duties ...Duty) ([]Result, error) {
	jobs := make([]Job, len(duties))
	for i, d := range duties {
		jobs[i] = Job{g, d}
	}
	return SignAll(ctx, jobs...)
}
