package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// PluginVersion is the version that the plugin is registered with. It must be the one that the plugin says it has.
const PluginVersion = "v0.1.0"

// Register registers a file of the plugin folder as PluginName with a version.
func (s *Server) Register(file, version string) error {
	return s.register("secret/"+PluginName, file, version)
}

// register registers a file of the plugin folder as a plugin of a type and name.
func (s *Server) register(plugin, file, version string) error {
	b, err := os.ReadFile(filepath.Join(s.Plugins, file))
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	return s.Call("PUT", "sys/plugins/catalog/"+plugin, map[string]string{
		"command": file, "sha256": hex.EncodeToString(sum[:]), "version": version,
	}, nil)
}

// Mount enables the plugin at a path.
func (s *Server) Mount(tb testing.TB, path string) {
	tb.Helper()
	must(tb, s.Call("POST", "sys/mounts/"+path, map[string]string{"type": PluginName}, nil))
}

// Policy writes an ACL policy and returns a token that has it, and no other.
func (s *Server) Policy(tb testing.TB, name, rules string) (token string) {
	tb.Helper()
	must(tb, s.Call("PUT", "sys/policies/acl/"+name, map[string]string{"policy": rules}, nil))
	var auth struct {
		Token string `json:"client_token"`
	}
	must(tb, s.Call("POST", "auth/token/create", map[string]any{"policies": []string{name}, "no_default_policy": true}, &auth))
	return auth.Token
}

// certificate makes a certificate for the host of an address, which is its own authority.
func (s *Server) certificate(address string) (certFile, keyFile string, err error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "vaulttest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.ParseIP(host)},
		IsCA:        true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return "", "", err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", err
	}
	certFile, keyFile = filepath.Join(s.dir, "cert.pem"), filepath.Join(s.dir, "key.pem")
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}), 0o600); err != nil {
		return "", "", err
	}
	s.CAFile = certFile
	return certFile, keyFile, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

// copyFile writes a program that is open, of which others may be making copies too.
func copyFile(in *os.File, to string) error {
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, io.NewSectionReader(in, 0, info.Size())); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
