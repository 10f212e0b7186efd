package dvkeys

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"

	"github.com/claystack/dvkeys/internal/strictjson"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

// The kinds of a transaction.
const (
	KindRegister = "ssv-register"   // SSVNetwork.registerValidator or bulkRegisterValidator, sent by the owner
	KindDeposit  = "deposit"        // the deposit contract's deposit
	KindStake    = "eigenpod-stake" // EigenPodManager.stake, sent by the pod's owner
)

// Transaction is a call that somebody has to sign and send: dvkeys sends nothing.
type Transaction struct {
	Kind       string               `json:"kind"`
	To         keyshare.Address     `json:"to"`
	Value      string               `json:"value"`          // wei, decimal
	Data       string               `json:"data"`           // calldata: 0x and hex digits
	Note       string               `json:"note,omitempty"` // what has to be known before it is sent
	Validators []keyshare.PublicKey `json:"validators"`     // in the order of the calldata
}

// Transactions is the content of transactions.json: what to send, in this order.
// Registrations stand before deposits, so that no stake is at risk before its
// validator is registered.
type Transactions struct {
	Network      string           `json:"network"`
	ChainID      uint64           `json:"chain_id"`
	Owner        keyshare.Address `json:"owner"`
	Cluster      clusterJSON      `json:"cluster"` // the state that the first registration is built on
	Transactions []Transaction    `json:"transactions"`
}

// clusterJSON is the contract's cluster struct.
type clusterJSON struct {
	ValidatorCount  uint32 `json:"validator_count"`
	NetworkFeeIndex uint64 `json:"network_fee_index"`
	Index           uint64 `json:"index"`
	Active          bool   `json:"active"`
	Balance         string `json:"balance"` // wei, decimal
}

// Transactions builds the calls for the batch: registrations with SSVNetwork v2,
// as many validators in each as the contract takes, and one deposit each.
//
// A registration's calldata names the state that the cluster is in. The first is
// built on the spec's Cluster. The state after it is known only when it is mined,
// so that a batch above ssv.MaxBulkRegister has further registrations with a note
// and no calldata: build these with ssv.BulkRegisterValidator then.
func (b *Batch) Transactions() (*Transactions, error) {
	spec, err := b.Spec.normal()
	if err == nil {
		err = b.checkComplete()
	}
	if err != nil {
		return nil, err
	}
	items := make([]*ssv.Item, len(b.Validators))
	deposits := make([]*signer.DepositData, len(b.Validators))
	for i, v := range b.Validators {
		items[i], deposits[i] = v.Item, v.Deposit
	}
	return transactions(spec, items, deposits)
}

// transactions needs of the spec the network, operators, owner, cluster, funding
// and whether the withdrawal address is an EigenPod.
func transactions(s Spec, items []*ssv.Item, deposits []*signer.DepositData) (*Transactions, error) {
	t := &Transactions{Network: s.Network.Name(), ChainID: s.Network.ChainID(), Owner: s.Owner, Cluster: clusterOf(*s.Cluster)}
	registrations, err := registrations(s, items)
	if err != nil {
		return nil, err
	}
	t.Transactions = registrations
	for _, d := range deposits {
		tx, err := depositTransaction(s, d)
		if err != nil {
			return nil, err
		}
		t.Transactions = append(t.Transactions, tx)
	}
	return t, nil
}

// registrations is empty on a network that SSV is not on.
func registrations(s Spec, items []*ssv.Item) ([]Transaction, error) {
	contract, err := ssv.ContractOn(s.Network.Name())
	if err != nil {
		return nil, nil
	}
	var out []Transaction
	size := ssv.MaxBulkRegister(len(s.Operators))
	for start := 0; start < len(items); start += size {
		chunk := items[start:min(start+size, len(items))]
		tx := Transaction{Kind: KindRegister, To: contract.Proxy, Value: "0", Data: "0x"}
		payloads := make([]ssv.Payload, len(chunk))
		for i, it := range chunk {
			payloads[i] = it.Payload
			tx.Validators = append(tx.Validators, it.Payload.PublicKey)
		}
		if start > 0 {
			tx.Note = "build the calldata when the registration before it is mined, on the cluster state that it leaves"
			out = append(out, tx)
			continue
		}
		var call ssv.Call
		if len(payloads) == 1 {
			call, err = ssv.RegisterValidator(payloads[0], s.Funding, *s.Cluster, nil)
		} else {
			call, err = ssv.BulkRegisterValidator(payloads, s.Funding, *s.Cluster, nil)
		}
		if err != nil {
			return nil, fmt.Errorf("dvkeys: registration: %w", err)
		}
		var notes []string
		if items[0].Data.Nonce > 0 && clusterOf(*s.Cluster) == clusterOf(ssv.EmptyCluster()) {
			notes = append(notes, "the owner has registered before: if it has a cluster of these operators give its state")
		}
		tx.Value, tx.Data = call.Value.String(), "0x"+hex.EncodeToString(call.Data)
		if call.Value.Sign() == 0 {
			notes = append(notes, "adds nothing to the cluster's balance: the contract refuses it unless the balance covers the new validators")
		}
		tx.Note = strings.Join(notes, "; ")
		out = append(out, tx)
	}
	return out, nil
}

// depositTransaction calls the EigenPodManager for a pod and the deposit contract
// otherwise.
func depositTransaction(s Spec, d *signer.DepositData) (Transaction, error) {
	tx := Transaction{Kind: KindDeposit, To: s.Network.DepositContract(), Validators: []keyshare.PublicKey{d.PublicKey}}
	data, err := d.Calldata(s.Network)
	if s.EigenPod {
		manager, ok := s.Network.EigenPodManager()
		if !ok {
			return Transaction{}, fmt.Errorf("dvkeys: no EigenPodManager is known on %s", s.Network.Name())
		}
		tx.Kind, tx.To = KindStake, manager
		data, err = d.StakeCalldata(s.Network)
	}
	if err != nil {
		return Transaction{}, fmt.Errorf("dvkeys: deposit of %s: %w", d.PublicKey, err)
	}
	tx.Value = s.Network.DepositValue(d.Amount).String()
	tx.Data = "0x" + hex.EncodeToString(data)
	return tx, nil
}

// Bytes returns the JSON of transactions.json, indented by two spaces.
func (t *Transactions) Bytes() ([]byte, error) {
	b, err := json.MarshalIndent(t, "", "  ")
	return append(b, '\n'), err
}

// parseTransactions reads what Bytes writes, and nothing else.
func parseTransactions(b []byte) (*Transactions, error) {
	t := new(Transactions)
	if err := strictjson.Decode(b, t); err != nil {
		return nil, err
	}
	return t, nil
}

// ParseCluster reads the state of a cluster as transactions.json has it.
func ParseCluster(b []byte) (*ssv.Cluster, error) {
	var c clusterJSON
	if err := strictjson.Decode(b, &c); err != nil {
		return nil, fmt.Errorf("dvkeys: cluster: %w", err)
	}
	return c.cluster()
}

func clusterOf(c ssv.Cluster) clusterJSON {
	return clusterJSON{ValidatorCount: c.ValidatorCount, NetworkFeeIndex: c.NetworkFeeIndex, Index: c.Index, Active: c.Active, Balance: decimal(c.Balance)}
}

// cluster is the inverse of clusterOf.
func (c clusterJSON) cluster() (*ssv.Cluster, error) {
	balance, ok := new(big.Int).SetString(c.Balance, 10)
	if !ok || balance.String() != c.Balance {
		return nil, fmt.Errorf("cluster.balance: %q, expected a decimal number of wei", c.Balance)
	}
	return &ssv.Cluster{ValidatorCount: c.ValidatorCount, NetworkFeeIndex: c.NetworkFeeIndex, Index: c.Index, Active: c.Active, Balance: balance}, nil
}

func decimal(n *big.Int) string {
	if n == nil {
		return "0"
	}
	return n.String()
}
