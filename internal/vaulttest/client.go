package vaulttest

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Error is an answer that is no success.
type Error struct {
	Status int
	Errors []string
}

// Error returns the status and the texts.
func (e *Error) Error() string {
	return fmt.Sprintf("vault: %d: %s", e.Status, strings.Join(e.Errors, "; "))
}

// client speaks to one server. It never repeats a request, so that tests see what happens.
type client struct {
	address string
	http    *http.Client
}

func newClient(address, caFile string) (*client, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("vaulttest: %s has no certificate", caFile)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &client{address: address, http: &http.Client{Transport: transport, Timeout: 2 * time.Minute}}, nil
}

// Call makes a request with the root token; see CallAs.
func (s *Server) Call(method, path string, body, out any) error {
	return s.client.call(method, path, s.Token, body, out)
}

// CallAs makes a request with a token. body is marshalled to JSON unless it is nil; out, unless it is nil, takes the
// answer's "data", or the whole answer if there is none. An answer that is no success is an *Error.
func (s *Server) CallAs(token, method, path string, body, out any) error {
	return s.client.call(method, path, token, body, out)
}

func (c *client) call(method, path, token string, body, out any) error {
	var payload io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(b)
	}
	request, err := http.NewRequest(method, c.address+"/v1/"+path, payload)
	if err != nil {
		return err
	}
	request.Header.Set("X-Vault-Request", "true")
	if token != "" {
		request.Header.Set("X-Vault-Token", token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		fault := &Error{Status: response.StatusCode}
		_ = json.Unmarshal(answer, fault)
		return fault
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	var envelope struct {
		Data json.RawMessage `json:"data"`
		Auth json.RawMessage `json:"auth"`
	}
	if err := json.Unmarshal(answer, &envelope); err != nil {
		return err
	}
	switch {
	case len(envelope.Data) > 0 && string(envelope.Data) != "null":
		answer = envelope.Data
	case len(envelope.Auth) > 0 && string(envelope.Auth) != "null":
		answer = envelope.Auth
	}
	return json.Unmarshal(answer, out)
}

// health returns the status of sys/health: 200 active, 429 standby, 501 not initialized, 503 sealed; 0 if there is no
// answer.
func (c *client) health() int {
	response, err := c.http.Get(c.address + "/v1/sys/health")
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// Status returns the HTTP status of an error of Call, 0 if it has none.
func Status(err error) int {
	var fault *Error
	if errors.As(err, &fault) {
		return fault.Status
	}
	return 0
}
