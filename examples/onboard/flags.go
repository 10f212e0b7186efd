package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"slices"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

// What is used when no flag says otherwise. Nobody holds keys of the example
// addresses: stake sent to them is lost.
const (
	defaultOperators = "testdata/real-operators.json"
	exampleOwner     = "0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494"
	examplePod       = "0xd8A2baF5A94B8d5ae8F2C4E3a0C5a1d27Bd0E001"
)

// verifies names the flags that -verify looks at.
var verifies = []string{
	"verify", "out", "custody", "keys", "passphrase-file",
	"network", "owner", "nonce", "validators", "operators", "amount", "withdrawal", "credentials", "eigenpod", "format", "funding", "cluster",
}

// config is what the flags say.
type config struct {
	spec     dvkeys.Spec
	custody  custody
	out      string
	mnemonic string // file
	first    uint32 // index of the first key of the mnemonic
	format   string
	verify   bool
	examples []string        // flags that were not given and whose example is in use
	given    map[string]bool // flags on the command line
}

// parseFlags reads and checks the command line. Nothing is written.
func parseFlags(args []string, diag io.Writer) (*config, error) {
	c := &config{given: make(map[string]bool)}
	fs := flag.NewFlagSet("onboard", flag.ContinueOnError)
	fs.SetOutput(diag)
	var (
		operators   = fs.String("operators", defaultOperators, "`file` of SSV operators: an array of {id, operatorKey}, an ssv-dkg operators_info.json, or a keyshares file")
		owner       = fs.String("owner", exampleOwner, "`address` of the account that registers the validators with SSV")
		nonce       = fs.Uint64("nonce", 0, "the owner's SSV nonce of the first validator: how many validators it has registered before")
		network     = fs.String("network", "hoodi", "`name` of the network: mainnet, hoodi, sepolia, holesky, gnosis or chiado")
		withdrawal  = fs.String("withdrawal", examplePod, "`address` that the stake is paid out to")
		eigenpod    = fs.Bool("eigenpod", false, "the withdrawal address is an EigenPod: stake through the EigenPodManager (set when -withdrawal is not given)")
		credentials = fs.String("credentials", "0x01", "withdrawal credential `type`: 0x01, or 0x02 for compounding")
		amount      = fs.String("amount", "32", "deposit in the network's token, `number` with up to 9 decimals")
		validators  = fs.Int("validators", 4, "how many validators to make")
		format      = fs.String("format", ssv.V120, "`version` of the keyshares file: v1.1.0 or v1.2.0")
	)
	funding := fs.String("funding", "0", "ETH, a decimal `number`, that the registration adds to the cluster's balance")
	cluster := fs.String("cluster", "", "`file` with the state of the owner's cluster of these operators, JSON as in transactions.json; none means that it has no cluster yet")
	fs.StringVar(&c.out, "out", "onboard-out", "`folder` for what is made")
	c.custody.flags(fs)
	fs.StringVar(&c.mnemonic, "mnemonic-file", "", "`file` with a BIP-39 mnemonic to derive the keys from, instead of random ones")
	first := fs.Uint("mnemonic-index", 0, "index i of the first key m/12381/3600/i/0/0 of the mnemonic")
	fs.BoolVar(&c.verify, "verify", false, "verify the folder of -out offline instead of making anything")
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q: every value is given by a flag", fs.Arg(0))
	}
	fs.Visit(func(f *flag.Flag) { c.given[f.Name] = true })
	if c.verify {
		for name := range c.given {
			if !slices.Contains(verifies, name) {
				return nil, fmt.Errorf("-%s says nothing that -verify could verify", name)
			}
		}
	}

	fault := func(name string, err error) (*config, error) { return nil, fmt.Errorf("-%s: %w", name, err) }
	var err error
	if c.out == "" {
		return fault("out", errors.New("is empty, expected a folder"))
	}
	if c.verify && !c.given["network"] {
		*network = networkOf(c.out, *network)
	}
	if c.spec.Network, err = signer.NetworkByName(*network); err != nil {
		return fault("network", err)
	}
	if c.spec.Owner, err = keyshare.ParseAddress(*owner); err != nil {
		return fault("owner", err)
	}
	if c.spec.Owner.IsZero() {
		return fault("owner", errors.New("is the zero address"))
	}
	if c.spec.Withdrawal, err = keyshare.ParseAddress(*withdrawal); err != nil {
		return fault("withdrawal", err)
	}
	if c.spec.Withdrawal.IsZero() {
		return fault("withdrawal", errors.New("is the zero address"))
	}
	if c.spec.Amount, err = c.spec.Network.ParseAmount(*amount); err != nil {
		return fault("amount", err)
	}
	if c.spec.Amount == 0 {
		return fault("amount", errors.New("is zero"))
	}
	if *validators < 1 {
		return fault("validators", fmt.Errorf("%d, expected at least 1", *validators))
	}
	gwei, err := signer.ParseEther(*funding)
	if err != nil {
		return fault("funding", err)
	}
	c.spec.Funding = new(big.Int).Mul(new(big.Int).SetUint64(uint64(gwei)), big.NewInt(1e9))
	if _, err := ssv.ContractOn(c.spec.Network.Name()); err != nil && (gwei > 0 || *cluster != "") {
		return nil, fmt.Errorf("-funding, -cluster: SSV is not on %s", c.spec.Network)
	}
	if *cluster != "" {
		b, err := readInput(*cluster)
		if err == nil {
			c.spec.Cluster, err = dvkeys.ParseCluster(b)
		}
		if err != nil {
			return fault("cluster", err)
		}
	}
	switch *credentials {
	case "0x01":
	case "0x02":
		c.spec.Compounding = true
	default:
		return fault("credentials", fmt.Errorf("%q, expected 0x01 or 0x02", *credentials))
	}
	if *format != ssv.V110 && *format != ssv.V120 {
		return fault("format", fmt.Errorf("%q, expected %s or %s", *format, ssv.V110, ssv.V120))
	}
	if last := uint64(*first) + uint64(*validators) - 1; *first > math.MaxUint32 || last > math.MaxUint32 {
		return fault("mnemonic-index", fmt.Errorf("%d for the first of %d keys, expected the last at most at %d", *first, *validators, uint32(math.MaxUint32)))
	}
	if c.given["mnemonic-index"] && c.mnemonic == "" {
		return fault("mnemonic-index", errors.New("is of no use without -mnemonic-file"))
	}
	c.spec.Nonce, c.spec.Count, c.format, c.first = *nonce, *validators, *format, uint32(*first)
	c.spec.EigenPod = *eigenpod || !c.given["withdrawal"] && !c.given["eigenpod"] && !c.spec.Compounding
	for _, name := range []string{"owner", "withdrawal", "operators"} {
		if c.given[name] {
			continue
		}
		c.examples = append(c.examples, name)
		if n := c.spec.Network.Name(); !c.verify && (n == "mainnet" || n == "gnosis") {
			return fault(name, fmt.Errorf("has to be given on %s", n))
		}
	}
	if c.custody.keys == "" && !(c.verify && c.given["keys"]) {
		c.custody.keys = filepath.Join(c.out, "keys.db")
	}
	if err := c.custody.check(c.given); err != nil {
		return nil, err
	}
	if c.verify && !c.given["operators"] {
		return c, nil
	}
	if c.spec.Operators, err = readOperators(*operators); err != nil {
		return fault("operators", err)
	}
	return c, nil
}

// expect is what a folder has to hold: all of the spec when it was just written,
// the given flags when it is verified.
func (c *config) expect() *dvkeys.Expect {
	use := func(name string) bool { return !c.verify || c.given[name] }
	e := &dvkeys.Expect{}
	if use("network") {
		e.Network = c.spec.Network
	}
	if use("owner") {
		e.Owner = c.spec.Owner
	}
	if use("nonce") {
		e.Nonce = &c.spec.Nonce
	}
	if use("validators") {
		e.Count = c.spec.Count
	}
	if use("operators") {
		e.Operators = c.spec.Operators
	}
	if use("amount") {
		e.Amount = c.spec.Amount
	}
	if use("withdrawal") {
		e.Withdrawal = c.spec.Withdrawal
	}
	if use("credentials") {
		e.Compounding = &c.spec.Compounding
	}
	if use("eigenpod") {
		e.EigenPod = &c.spec.EigenPod
	}
	if use("funding") {
		e.Funding = c.spec.Funding
	}
	if use("cluster") {
		e.Cluster = c.spec.Cluster
	}
	if use("format") {
		e.KeySharesVersion = c.format
	}
	return e
}

// networkOf returns the network that a folder names, so that an amount is read in its
// token, or else the given one: VerifyFiles says what is wrong then.
func networkOf(dir, otherwise string) string {
	var t struct{ Network string }
	path := filepath.Join(dir, "transactions.json")
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return otherwise
	}
	if b, err := os.ReadFile(path); err != nil || json.Unmarshal(b, &t) != nil {
		return otherwise
	}
	if _, err := signer.NetworkByName(t.Network); err != nil {
		return otherwise
	}
	return t.Network
}

// maxInput bounds what is read from the files of -operators and -cluster, in bytes.
const maxInput = 64 << 20

func readInput(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxInput+1))
	if err == nil && len(b) > maxInput {
		err = fmt.Errorf("%s has more than %d bytes", path, maxInput)
	}
	return b, err
}

func readOperators(path string) ([]keyshare.Operator, error) {
	b, err := readInput(path)
	if err != nil {
		return nil, err
	}
	operators, err := ssv.ReadOperators(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return operators, nil
}
