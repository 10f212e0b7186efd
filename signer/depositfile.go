package signer

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/claystack/dvkeys/internal/strictjson"
	"github.com/claystack/dvkeys/keyshare"
)

// cliVersion is what our files say. The format is that of deposit-cli 2.7.0, and
// launchpads have refused files that name an older version.
const cliVersion = "2.7.0"

// depositJSON is a deposit as a deposit_data file has it, in the order of its
// fields. Hex digits are lower case, without 0x.
type depositJSON struct {
	PublicKey   string `json:"pubkey"`
	Credentials string `json:"withdrawal_credentials"`
	Amount      uint64 `json:"amount"`
	Signature   string `json:"signature"`
	MessageRoot string `json:"deposit_message_root"`
	DataRoot    string `json:"deposit_data_root"`
	ForkVersion string `json:"fork_version"`
	NetworkName string `json:"network_name"`
	CLIVersion  string `json:"deposit_cli_version"`
}

var (
	networkNameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	cliVersionForm  = regexp.MustCompile(`^[0-9]{1,9}\.[0-9]{1,9}\.[0-9]{1,9}([.+-][0-9A-Za-z.+-]{1,32})?$`)
)

// MarshalDeposits encodes deposits as the deposit_data file that the staking
// launchpad takes: a JSON array with one object per deposit, the roots computed
// here, deposit_cli_version 2.7.0. No deposits at all, a missing key or signature,
// or a network name that is not 1 to 64 letters, digits, '.', '_' and '-' is an
// error. Nothing else is verified.
func MarshalDeposits(deposits []*DepositData) ([]byte, error) {
	if len(deposits) == 0 {
		return nil, errors.New("signer: deposit file: no deposits")
	}
	list := make([]depositJSON, len(deposits))
	for i, d := range deposits {
		switch {
		case d == nil || d.PublicKey.IsZero():
			return nil, &DepositError{i, fieldPublicKey, "is missing"}
		case d.Signature.IsZero():
			return nil, &DepositError{i, fieldSignature, "is missing"}
		case !networkNameForm.MatchString(d.NetworkName):
			return nil, &DepositError{i, fieldNetworkName, malformedName}
		}
		key, signature := d.PublicKey.Bytes(), d.Signature.Bytes()
		message, data := d.MessageRoot(), d.DataRoot()
		list[i] = depositJSON{
			PublicKey:   hex.EncodeToString(key[:]),
			Credentials: hex.EncodeToString(d.WithdrawalCredentials[:]),
			Amount:      uint64(d.Amount),
			Signature:   hex.EncodeToString(signature[:]),
			MessageRoot: hex.EncodeToString(message[:]),
			DataRoot:    hex.EncodeToString(data[:]),
			ForkVersion: hex.EncodeToString(d.ForkVersion[:]),
			NetworkName: d.NetworkName,
			CLIVersion:  cliVersion,
		}
	}
	file, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("signer: deposit file: %w", err)
	}
	return append(file, '\n'), nil
}

const malformedName = "is malformed, 1 to 64 letters, digits, '.', '_' and '-' expected"

// ParseDeposits decodes a deposit_data file strictly: every field present, none
// twice and none unknown, hex digits of the right number, in lower case and without
// 0x, keys and signatures that are points of their groups, and both roots those of
// the other fields. In place of network_name, or beside it with the same value, the
// older eth2_network_name is taken. An empty list is an error.
//
// It does not know the network, so signatures and amounts are not verified; see
// [VerifyDeposits]. Its error joins one *[DepositError] per fault, unless the file
// is no JSON array of objects. The version of the tool that made the file is not
// kept: MarshalDeposits of what a file of its own form gave is the same file.
func ParseDeposits(file []byte) ([]*DepositData, error) {
	items, err := parseDeposits(file)
	if err != nil {
		return nil, err
	}
	return collect(items)
}

// item is a deposit of a file and what is wrong with it. The deposit is nil if a
// field cannot be decoded.
type item struct {
	data   *DepositData
	faults []fault
}

// collect returns the deposits, or all faults of all items.
func collect(items []item) ([]*DepositData, error) {
	deposits := make([]*DepositData, len(items))
	var list []error
	for i, it := range items {
		deposits[i] = it.data
		for _, f := range it.faults {
			list = append(list, &DepositError{Index: i, Field: f.field, Reason: f.reason})
		}
	}
	if err := errors.Join(list...); err != nil {
		return nil, err
	}
	return deposits, nil
}

func parseDeposits(file []byte) ([]item, error) {
	if err := strictjson.Check(file); err != nil {
		return nil, fmt.Errorf("signer: deposit file: %w", err)
	}
	var objects []json.RawMessage
	if err := json.Unmarshal(file, &objects); err != nil {
		return nil, errors.New("signer: deposit file: is not a JSON array of deposits")
	}
	if len(objects) == 0 {
		return nil, errors.New("signer: deposit file: no deposits")
	}
	items := make([]item, len(objects))
	for i, object := range objects {
		fields, err := strictjson.Object(object)
		if err != nil {
			return nil, fmt.Errorf("signer: deposit %d: %w", i, err)
		}
		items[i] = parseDeposit(fields)
	}
	return items, nil
}

var fieldNames = []string{
	fieldPublicKey, fieldCredentials, fieldAmount, fieldSignature, fieldMessageRoot, fieldDataRoot,
	fieldForkVersion, fieldNetworkName, fieldLegacyName, fieldCLIVersion,
}

func parseDeposit(fields map[string]json.RawMessage) item {
	p := parser{fields: fields}
	d := &DepositData{}
	var err error
	if key := p.hex(fieldPublicKey, keyshare.PublicKeySize); key != nil {
		if d.PublicKey, err = keyshare.ParsePublicKey(key); err != nil {
			p.fault(fieldPublicKey, "is not a BLS public key: no point of its group")
		}
	}
	copy(d.WithdrawalCredentials[:], p.hex(fieldCredentials, len(d.WithdrawalCredentials)))
	d.Amount = p.amount()
	if signature := p.hex(fieldSignature, keyshare.SignatureSize); signature != nil {
		if d.Signature, err = keyshare.ParseSignature(signature); err != nil {
			p.fault(fieldSignature, "is not a BLS signature: no point of its group")
		}
	}
	message, data := p.hex(fieldMessageRoot, 32), p.hex(fieldDataRoot, 32)
	copy(d.ForkVersion[:], p.hex(fieldForkVersion, len(d.ForkVersion)))
	d.NetworkName = p.networkName()
	if version := p.text(fieldCLIVersion); version != "" && !cliVersionForm.MatchString(version) {
		p.fault(fieldCLIVersion, "is malformed, a version such as "+cliVersion+" expected")
	}
	p.refuseUnknown()
	if len(p.faults) != 0 {
		return item{nil, p.faults}
	}
	p.compare(fieldMessageRoot, message, d.MessageRoot())
	p.compare(fieldDataRoot, data, d.DataRoot())
	return item{d, p.faults}
}

// parser reads the fields of one object and collects faults. A reader that has
// found one returns a zero value.
type parser struct {
	fields map[string]json.RawMessage
	faults []fault
}

func (p *parser) fault(field, reason string) { p.faults = append(p.faults, fault{field, reason}) }

// text reads a string that is not empty.
func (p *parser) text(field string) string {
	raw, ok := p.fields[field]
	if !ok {
		p.fault(field, "is missing")
		return ""
	}
	var s string
	if raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		p.fault(field, "is not a string")
		return ""
	}
	if s == "" {
		p.fault(field, "is empty")
	}
	return s
}

// hex reads size bytes.
func (p *parser) hex(field string, size int) []byte {
	s := p.text(field)
	switch {
	case s == "":
		return nil
	case len(s) >= 2 && s[:2] == "0x":
		p.fault(field, "starts with 0x, hex digits alone expected")
		return nil
	case len(s) != 2*size:
		p.fault(field, fmt.Sprintf("has %d characters, %d hex digits expected", len(s), 2*size))
		return nil
	}
	b, err := hex.DecodeString(s)
	if err != nil || hex.EncodeToString(b) != s {
		p.fault(field, fmt.Sprintf("is malformed, %d hex digits in lower case expected", 2*size))
		return nil
	}
	return b
}

func (p *parser) amount() Gwei {
	raw, ok := p.fields[fieldAmount]
	if !ok {
		p.fault(fieldAmount, "is missing")
		return 0
	}
	n, err := strconv.ParseUint(string(raw), 10, 64)
	if err != nil {
		p.fault(fieldAmount, "is malformed, a JSON number expected: whole gwei, less than 2^64")
	}
	return Gwei(n)
}

func (p *parser) networkName() string {
	name := ""
	for _, field := range []string{fieldNetworkName, fieldLegacyName} {
		if _, ok := p.fields[field]; !ok && (field == fieldLegacyName || p.fields[fieldLegacyName] != nil) {
			continue
		}
		s := p.text(field)
		switch {
		case s == "":
		case !networkNameForm.MatchString(s):
			p.fault(field, malformedName)
		case name != "" && s != name:
			p.fault(field, fmt.Sprintf("is %q, but %s is %q", s, fieldNetworkName, name))
		default:
			name = s
		}
	}
	return name
}

func (p *parser) refuseUnknown() {
	var unknown []string
	for name := range p.fields {
		if !slices.Contains(fieldNames, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		p.fault(strconv.Quote(name[:min(len(name), 64)]), "is not a field of a deposit file")
	}
}

func (p *parser) compare(field string, stated []byte, computed keyshare.Root) {
	if keyshare.Root(stated) != computed {
		p.fault(field, fmt.Sprintf("is %v, but the other fields have the root %v", keyshare.Root(stated), computed))
	}
}
