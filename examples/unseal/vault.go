package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/claystack/dvkeys/hsm/pkcs11"
	"github.com/claystack/dvkeys/internal/secret"
)

// unseal has the token decrypt one share after the other and gives each to Vault, until that is unsealed.
func unseal(ctx context.Context, token *pkcs11.Token, o *options, out io.Writer) error {
	file, err := readShares(o)
	if err != nil {
		return err
	}
	client, err := newClient(o)
	if err != nil {
		return err
	}
	status, err := client.status(ctx)
	if err != nil {
		return err
	}
	key := token.RSA(file.Key)
	for i, wrapped := range file.Shares {
		if !status.Sealed {
			break
		}
		share, err := key.Decrypt(nil, wrapped, nil)
		if err != nil {
			return fmt.Errorf("share %d of %s: %w", i+1, o.shares, err)
		}
		status, err = client.unseal(ctx, share)
		secret.Wipe(share)
		if err != nil {
			return fmt.Errorf("share %d of %s: %w", i+1, o.shares, err)
		}
	}
	if status.Sealed {
		return fmt.Errorf("%s is still sealed: it has %d of %d shares; more are needed from the other holders", o.address, status.Progress, status.Threshold)
	}
	_, err = fmt.Fprintln(out, o.address, "is unsealed")
	return err
}

// client speaks to one Vault.
type client struct {
	address string
	http    *http.Client
}

// sealStatus is what Vault says of its seal.
type sealStatus struct {
	Sealed    bool `json:"sealed"`
	Threshold int  `json:"t"`
	Progress  int  `json:"progress"`
}

func newClient(o *options) (*client, error) {
	address, err := url.Parse(o.address)
	if err != nil || address.Host == "" || address.Scheme != "https" && !(address.Scheme == "http" && isLoopback(address.Hostname())) {
		return nil, errors.New("-address: expected https://host:port; http is accepted for a loopback address only")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
	if o.caFile != "" {
		pem, err := os.ReadFile(o.caFile)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: it has no certificate in PEM", o.caFile)
		}
	}
	return &client{o.address, &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a share is for this server
	}}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (c *client) status(ctx context.Context) (sealStatus, error) {
	return c.do(ctx, http.MethodGet, "/v1/sys/seal-status", nil)
}

// unseal sends a share, which Vault takes as base64 in JSON.
func (c *client) unseal(ctx context.Context, share []byte) (sealStatus, error) {
	body := base64.StdEncoding.AppendEncode([]byte(`{"key":"`), share)
	body = append(body, `"}`...)
	defer secret.Wipe(body)
	return c.do(ctx, http.MethodPut, "/v1/sys/unseal", body)
}

func (c *client) do(ctx context.Context, method, path string, body []byte) (status sealStatus, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.address+path, bytes.NewReader(body))
	if err != nil {
		return status, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return status, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return status, err
	}
	if response.StatusCode != http.StatusOK {
		return status, fmt.Errorf("%s answers %d: %.200s", c.address, response.StatusCode, answer)
	}
	if err := json.Unmarshal(answer, &status); err != nil {
		return status, fmt.Errorf("%s answers something that is not the state of a seal", c.address)
	}
	return status, nil
}
