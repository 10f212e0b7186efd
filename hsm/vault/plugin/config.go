package plugin

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/vault/sdk/framework"
	"github.com/hashicorp/vault/sdk/logical"

	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/signer"
)

// config narrows what anybody may do with the engine. In each list "*" permits all, and an empty list nothing.
type config struct {
	Networks            []string `json:"networks"`             // names
	WithdrawalAddresses []string `json:"withdrawal_addresses"` // with the capitals of EIP-55
	FeeRecipients       []string `json:"fee_recipients"`       // with the capitals of EIP-55
	OperatorKeys        []string `json:"operator_keys"`        // SHA-256 of the PKIX form, in hex
	RawSigning          bool     `json:"raw_signing"`
	Sealing             bool     `json:"sealing"`
}

const all = "*"

func permits(list []string, v string) bool {
	return slices.Contains(list, all) || slices.Contains(list, v)
}

// network returns the network of a name, if it is permitted.
func (c *config) network(name string) (*signer.Network, error) {
	n, err := signer.NetworkByName(name)
	if err != nil {
		return nil, invalid("%v", err)
	}
	if !permits(c.Networks, name) {
		return nil, denied("%s is not among networks", name)
	}
	return n, nil
}

// allows returns an error if a duty names another key or an address that is not permitted.
func (c *config) allows(d signer.Duty, k *record) error {
	switch d := d.(type) {
	case signer.Deposit:
		to, _ := d.WithdrawalCredentials.Address()
		return firstOf(k.signsFor(d.PublicKey), permittedAddress("withdrawal_addresses", c.WithdrawalAddresses, to))
	case signer.BLSToExecutionChange:
		return firstOf(k.signsFor(d.From), permittedAddress("withdrawal_addresses", c.WithdrawalAddresses, d.To))
	case signer.ValidatorRegistration:
		return permittedAddress("fee_recipients", c.FeeRecipients, d.FeeRecipient)
	}
	return nil
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// signsFor returns an error if what a duty names is neither the key nor the validator whose share it is.
func (r *record) signsFor(named keyshare.PublicKey) error {
	switch {
	case named == r.PublicKey || named == r.Validator:
		return nil
	case r.Validator.IsZero():
		return invalid("dvkeys: the duty names the public key %v, the key has %v", named, r.PublicKey)
	}
	return invalid("dvkeys: the duty names the public key %v, the key %v is a share of %v", named, r.PublicKey, r.Validator)
}

func permittedAddress(list string, permitted []string, a keyshare.Address) error {
	if !permits(permitted, a.String()) {
		return denied("%v is not among %s", a, list)
	}
	return nil
}

// configCache keeps the configuration until it changes.
type configCache struct {
	changing sync.Mutex // held from the reading of what is changed to the writing of it
	mu       sync.Mutex
	current  *config
}

func (c *configCache) drop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current = nil
}

// configuration returns the configuration, which is not to be changed.
func (b *backend) configuration(ctx context.Context, s logical.Storage) (*config, error) {
	b.config.mu.Lock()
	defer b.config.mu.Unlock()
	if b.config.current != nil {
		return b.config.current, nil
	}
	entry, err := s.Get(ctx, configPath)
	if err != nil {
		return nil, err
	}
	c := new(config)
	if entry != nil {
		if err := entry.DecodeJSON(c); err != nil {
			return nil, fmt.Errorf("%w: the configuration", errCorrupt)
		}
	}
	b.config.current = c
	return c, nil
}

func (b *backend) configPaths() []*framework.Path {
	list := func(what string) *framework.FieldSchema {
		return &framework.FieldSchema{Type: framework.TypeCommaStringSlice, Description: what + ` An empty list permits nothing, "*" permits all.`}
	}
	return []*framework.Path{{
		Pattern:      "config$",
		HelpSynopsis: "What the engine permits at all. What is not given stays as it is.",
		Fields: map[string]*framework.FieldSchema{
			"networks":             list("Networks that duties may be signed for, by name."),
			"withdrawal_addresses": list("Addresses that deposits and credential changes may name."),
			"fee_recipients":       list("Addresses that registrations may name."),
			"operator_keys":        list("SHA-256, in hex, of the RSA keys in PKIX form that shares may be sealed to."),
			"raw_signing":          {Type: framework.TypeBool, Description: "Whether sign/ signs roots that the engine knows nothing of."},
			"sealing":              {Type: framework.TypeBool, Description: "Whether seal/ gives a whole stored secret to one operator."},
		},
		Operations: map[logical.Operation]framework.OperationHandler{
			logical.ReadOperation:   &framework.PathOperation{Callback: b.guard(b.readConfig), Summary: "Read the configuration."},
			logical.UpdateOperation: b.operation(b.writeConfig, "Change the configuration."),
		},
	}}
}

func (b *backend) readConfig(ctx context.Context, req *logical.Request, _ *framework.FieldData) (*logical.Response, error) {
	c, err := b.configuration(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	return answer(c)
}

func (b *backend) writeConfig(ctx context.Context, req *logical.Request, d *framework.FieldData) (*logical.Response, error) {
	for field := range req.Data {
		if d.Schema[field] == nil {
			return nil, invalid("dvkeys: config: %.40q is unknown", field)
		}
	}
	b.config.changing.Lock()
	defer b.config.changing.Unlock()
	old, err := b.configuration(ctx, req.Storage)
	if err != nil {
		return nil, err
	}
	c := *old
	for field, list := range map[string]*[]string{
		"networks": &c.Networks, "withdrawal_addresses": &c.WithdrawalAddresses,
		"fee_recipients": &c.FeeRecipients, "operator_keys": &c.OperatorKeys,
	} {
		if v, given := d.GetOk(field); given {
			*list = v.([]string)
		}
	}
	if v, given := d.GetOk("raw_signing"); given {
		c.RawSigning = v.(bool)
	}
	if v, given := d.GetOk("sealing"); given {
		c.Sealing = v.(bool)
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	entry, err := logical.StorageEntryJSON(configPath, c)
	if err != nil {
		return nil, err
	}
	defer b.config.drop() // also if it failed, since it may be stored all the same
	return nil, req.Storage.Put(ctx, entry)
}

// check refuses what could never match, and brings addresses into their one form.
func (c *config) check() error {
	for _, name := range c.Networks {
		if name != all {
			if _, err := signer.NetworkByName(name); err != nil {
				return invalid("dvkeys: networks: %v", err)
			}
		}
	}
	for field, list := range map[string]*[]string{"withdrawal_addresses": &c.WithdrawalAddresses, "fee_recipients": &c.FeeRecipients} {
		checked := slices.Clone(*list) // of the old one others may be reading
		for i, text := range checked {
			if text == all {
				continue
			}
			a, err := keyshare.ParseAddress(text)
			if err != nil || a.IsZero() {
				return invalid("dvkeys: %s: %.60q is no address", field, text)
			}
			checked[i] = a.String()
		}
		*list = checked
	}
	for _, digest := range c.OperatorKeys {
		if b, err := hex.DecodeString(digest); digest != all && (err != nil || hex.EncodeToString(b) != digest || len(b) != 32) {
			return invalid("dvkeys: operator_keys: %.80q is not 64 lower-case hex digits", digest)
		}
	}
	return nil
}
