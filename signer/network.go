package signer

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/claystack/dvkeys/internal/consensus"
	"github.com/claystack/dvkeys/keyshare"
)

// Network is a chain that duties are signed for. It is immutable; two networks
// are the same if their pointers are. Only this package's variables and functions
// make one that can be used.
type Network struct{ net *consensus.Network }

// The public networks. Holesky has been shut down; its signatures can still be
// verified.
var (
	Mainnet = &Network{consensus.Mainnet}
	Hoodi   = &Network{consensus.Hoodi}
	Sepolia = &Network{consensus.Sepolia}
	Holesky = &Network{consensus.Holesky}
	Gnosis  = &Network{consensus.Gnosis}
	Chiado  = &Network{consensus.Chiado}
)

var publicNetworks = []*Network{Mainnet, Hoodi, Sepolia, Holesky, Gnosis, Chiado}

// NetworkByName returns a public network by its lower-case name, as deposit files
// write it. Ephemery is not among them; see [Ephemery].
func NetworkByName(name string) (*Network, error) {
	names := make([]string, len(publicNetworks))
	for i, n := range publicNetworks {
		if n.Name() == name {
			return n, nil
		}
		names[i] = n.Name()
	}
	if name == "ephemery" {
		return nil, errors.New("signer: network ephemery starts anew at each iteration: its number and genesis validators root are needed")
	}
	return nil, fmt.Errorf("signer: network %.40q is unknown, one of %s expected", name, strings.Join(names, ", "))
}

// ForkVersion is the version of one fork on one network, four bytes.
type ForkVersion [4]byte

// String returns 0x and 8 lower-case hex digits.
func (v ForkVersion) String() string { return "0x" + hex.EncodeToString(v[:]) }

// FarFuture is the epoch of a fork that has a version but no date: 2^64-1.
const FarFuture uint64 = consensus.FarFuture

// Fork is a fork of the consensus layer on one network.
type Fork struct {
	Name    string // phase0, altair, bellatrix, capella, deneb, electra, fulu or gloas
	Version ForkVersion
	Epoch   uint64 // the first epoch; FarFuture if none is set
}

// NetworkConfig describes a network that is not public, such as a devnet.
type NetworkConfig struct {
	// Name is 1 to 64 lower-case letters, digits, '.', '_' and '-', and not the
	// name of a public network. It is what deposit files say.
	Name string

	ChainID         uint64
	DepositContract keyshare.Address

	// Forks is the whole schedule from phase0 at epoch 0 on, without gaps.
	Forks []Fork

	// GenesisValidatorsRoot may be zero before genesis, when it is not known yet:
	// then only deposits can be signed.
	GenesisValidatorsRoot keyshare.Root

	// SlotsPerEpoch is 32 if zero.
	SlotsPerEpoch uint64

	// MaxCommitteesPerSlot is 64 if zero, as in the mainnet preset; 4 in the
	// minimal one. The roots of aggregates depend on it from electra on.
	MaxCommitteesPerSlot uint64

	// EigenPodManager is EigenLayer's contract, zero if there is none.
	EigenPodManager keyshare.Address
}

// NewNetwork makes a network from its description. It refuses one that reuses a
// public network's genesis fork version, since deposits signed for it would be
// valid there, and likewise a public network's name, chain id or genesis
// validators root.
func NewNetwork(c NetworkConfig) (*Network, error) {
	forks, err := consensusForks(c.Forks)
	if err != nil {
		return nil, err
	}
	net, err := consensus.New(consensus.Custom{
		Name:                  c.Name,
		ChainID:               c.ChainID,
		GenesisValidatorsRoot: c.GenesisValidatorsRoot,
		DepositContract:       c.DepositContract,
		EigenPodManager:       c.EigenPodManager,
		SlotsPerEpoch:         c.SlotsPerEpoch,
		MaxCommitteesPerSlot:  c.MaxCommitteesPerSlot,
		Forks:                 forks,
	})
	if err != nil {
		return nil, err
	}
	return &Network{net}, nil
}

// Ephemery returns the test network of that name, which starts anew at each
// iteration, with the genesis validators root of this one. later are its forks
// from deneb on, which deposits, exits and credential changes do not need.
func Ephemery(iteration uint64, genesisValidatorsRoot keyshare.Root, later ...Fork) (*Network, error) {
	forks, err := consensusForks(later)
	if err != nil {
		return nil, err
	}
	net, err := consensus.Ephemery(iteration, genesisValidatorsRoot, forks)
	if err != nil {
		return nil, err
	}
	return &Network{net}, nil
}

func consensusForks(forks []Fork) ([]consensus.ScheduledFork, error) {
	list := make([]consensus.ScheduledFork, len(forks))
	for i, f := range forks {
		fork, err := consensus.ParseFork(f.Name)
		if err != nil {
			return nil, err
		}
		list[i] = consensus.ScheduledFork{Fork: fork, Version: consensus.Version(f.Version), Epoch: f.Epoch}
	}
	return list, nil
}

// Name returns the lower-case name that deposit files carry.
func (n *Network) Name() string { return n.net.Name }

// String is Name.
func (n *Network) String() string { return n.net.Name }

// ChainID returns the id of the execution-layer chain (EIP-155).
func (n *Network) ChainID() uint64 { return n.net.ChainID }

// GenesisForkVersion returns the version that deposits are bound to.
func (n *Network) GenesisForkVersion() ForkVersion { return ForkVersion(n.net.GenesisForkVersion()) }

// GenesisValidatorsRoot returns the root that exits and all later duties are
// bound to; zero if the network was made without one.
func (n *Network) GenesisValidatorsRoot() keyshare.Root { return n.net.GenesisValidatorsRoot }

// EpochOf returns the epoch of a slot: slots are counted in epochs of 32, or of 16
// on Gnosis and Chiado.
func (n *Network) EpochOf(slot uint64) uint64 { return n.net.EpochOf(slot) }

// DepositContract returns the contract that takes deposits.
func (n *Network) DepositContract() keyshare.Address { return n.net.DepositContract }

// EigenPodManager returns EigenLayer's contract that stakes into a pod, and
// whether one is known on this network.
func (n *Network) EigenPodManager() (keyshare.Address, bool) {
	a := keyshare.Address(n.net.EigenPodManager)
	return a, !a.IsZero()
}

// Token returns the symbol of the token that is staked: ETH or GNO.
func (n *Network) Token() string { return n.net.Token }

// ParseAmount reads an amount of the network's token, such as 32 or 1.5, into the
// gwei of a deposit. It takes what [ParseEther] takes; 1 GNO is 32e9 gwei.
func (n *Network) ParseAmount(s string) (Gwei, error) {
	g, err := ParseEther(s)
	if err != nil {
		return 0, err
	}
	scaled := g * Gwei(n.net.Multiplier)
	if scaled/Gwei(n.net.Multiplier) != g {
		return 0, amountTooLarge(s)
	}
	return scaled, nil
}

// FormatAmount is the inverse of ParseAmount, with the token's symbol: "32 ETH".
func (n *Network) FormatAmount(g Gwei) string {
	return decimal(g, n.net.Multiplier) + " " + n.net.Token
}

// DepositValue returns how many wei of the chain's own currency go with a deposit
// transaction: the whole amount on Ethereum's networks, nothing where a token is
// staked, which the sender approves for the deposit contract beforehand.
func (n *Network) DepositValue(g Gwei) *big.Int {
	if n.stakesToken() {
		return new(big.Int)
	}
	return n.stakeUnits(g)
}

func (n *Network) stakesToken() bool { return n.net.Multiplier != 1 }

// stakeUnits is the amount in the smallest unit of the staked coin, 1e-18.
func (n *Network) stakeUnits(g Gwei) *big.Int {
	units := new(big.Int).SetUint64(uint64(g))
	units.Mul(units, big.NewInt(1e9))
	return units.Div(units, new(big.Int).SetUint64(n.net.Multiplier)) // exact: 32 divides 1e9
}

func (n *Network) check() error {
	if n == nil || n.net == nil {
		return errors.New("signer: the network is missing; use one of this package's networks or NewNetwork")
	}
	return nil
}
