package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/claystack/dvkeys"
	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/internal/durable"
	"github.com/claystack/dvkeys/keyshare"
	"github.com/claystack/dvkeys/keyshare/ssv"
	"github.com/claystack/dvkeys/signer"
)

// operators is how many there are.
const operators = 4

// Nobody holds the keys of these addresses: stake sent to them is lost.
const (
	exampleOwner      = "0x81592c3DE184A3E2c0DCB5a261BC107Bfa91f494"
	exampleWithdrawal = "0xd8A2baF5A94B8d5ae8F2C4E3a0C5a1d27Bd0E001"
)

// terms are what the ceremony's Params carry as Context: what the keys are for. An
// operator's own program compares them with what it agreed to.
type terms struct {
	Network    string           `json:"network"`
	Withdrawal keyshare.Address `json:"withdrawal"`
	Owner      keyshare.Address `json:"owner"`
	Nonce      uint64           `json:"nonce"`
}

// spec is what the validators of a ceremony are.
func spec(p *dkg.Params) (dvkeys.Spec, error) {
	var t terms
	if err := json.Unmarshal(p.Context, &t); err != nil {
		return dvkeys.Spec{}, fmt.Errorf("context of the ceremony: %w", err)
	}
	network, err := signer.NetworkByName(t.Network)
	if err != nil {
		return dvkeys.Spec{}, err
	}
	s := dvkeys.Spec{Network: network, Count: p.Keys, Withdrawal: t.Withdrawal, Owner: t.Owner, Nonce: t.Nonce}
	for _, o := range p.Operators {
		s.Operators = append(s.Operators, o.Operator)
	}
	return s, nil
}

// The files of an operator's folder.
const (
	paramsFile      = "ceremony.params" // beside the folders
	passphraseFile  = "passphrase"
	identityFile    = "operator-key.json" // encrypted, as SSV nodes keep it
	tlsFile         = "tls.pem"           // certificate and key
	custodyFile     = "keys.db"
	transcriptFile  = "transcript"
	certificateFile = "certificate"
)

func folder(dir string, id keyshare.Index) string {
	return filepath.Join(dir, fmt.Sprintf("operator-%d", id))
}

// prepare makes the operators' keys and the Params of the ceremony, or reads those of a
// run that was killed.
func prepare(dir string, count int, out io.Writer) (*dkg.Params, error) {
	path := filepath.Join(dir, paramsFile)
	switch b, err := os.ReadFile(path); {
	case err == nil:
		fmt.Fprintln(out, "going on with the ceremony in", dir)
		return dkg.ParseParams(b)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	p := &dkg.Params{Kind: dkg.Generate, Created: time.Now(), Expires: time.Now().Add(time.Hour), Keys: count, Threshold: dkg.DefaultThreshold(operators)}
	_, _ = rand.Read(p.Nonce[:])
	owner, err := keyshare.ParseAddress(exampleOwner)
	if err != nil {
		return nil, err
	}
	withdrawal, err := keyshare.ParseAddress(exampleWithdrawal)
	if err != nil {
		return nil, err
	}
	if p.Context, err = json.Marshal(terms{"hoodi", withdrawal, owner, 0}); err != nil {
		return nil, err
	}
	for i := range operators {
		o := dkg.Operator{Operator: keyshare.Operator{ID: keyshare.Index(11 * (i + 1))}, Scheme: dkg.PSS}
		if err := prepareOperator(folder(dir, o.ID), &o); err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "operator %d has its RSA key in %s\n", o.ID, folder(dir, o.ID))
		p.Operators = append(p.Operators, o)
	}
	s, err := spec(p)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(p.Check(), s.Check()); err != nil {
		return nil, err
	}
	return p, durable.Create(path, p.Bytes(), 0o600)
}

// prepareOperator makes the keys of one operator: what each would bring along.
func prepareOperator(dir string, o *dkg.Operator) error {
	if err := os.RemoveAll(dir); err != nil { // of a run that was killed before it had Params
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	passphrase := fmt.Appendf(nil, "%s\n", rand.Text())
	if err := durable.Create(filepath.Join(dir, passphraseFile), passphrase, 0o600); err != nil {
		return err
	}
	key, err := ssv.GenerateOperatorKey()
	if err != nil {
		return err
	}
	o.PublicKey = &key.PublicKey
	sealed, err := ssv.EncryptOperatorKey(key, passphrase[:len(passphrase)-1])
	if err != nil {
		return err
	}
	if err := durable.Create(filepath.Join(dir, identityFile), sealed, 0o600); err != nil {
		return err
	}
	pair, err := tlsPair()
	if err != nil {
		return err
	}
	return durable.Create(filepath.Join(dir, tlsFile), pair, 0o600)
}

// tlsPair makes a self-signed certificate for this machine, with its key.
func tlsPair() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...), nil
}

// certificates returns an operator's own TLS certificate, and those of all as the ones to
// believe.
func certificates(dir string, p *dkg.Params, own keyshare.Index) (mine tls.Certificate, everybody *x509.CertPool, err error) {
	everybody = x509.NewCertPool()
	for _, o := range p.Operators {
		b, err := os.ReadFile(filepath.Join(folder(dir, o.ID), tlsFile))
		if err != nil {
			return mine, nil, err
		}
		block, _ := pem.Decode(b)
		if block == nil {
			return mine, nil, fmt.Errorf("%s of operator %d is no PEM", tlsFile, o.ID)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return mine, nil, err
		}
		everybody.AddCert(certificate)
		if o.ID != own {
			continue
		}
		if mine, err = tls.X509KeyPair(b, b); err != nil {
			return mine, nil, err
		}
	}
	return mine, everybody, nil
}
