package transport

import (
	"crypto/tls"
	"crypto/x509"
)

// ServerTLS is the configuration for serving a Mailbox: TLS 1.3, HTTP/2, and only
// clients whose certificate chains to one of those given, which may be the clients' own.
func ServerTLS(own tls.Certificate, clients *x509.CertPool) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{own}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"},
	}
}

// ClientTLS is the configuration for a Client: TLS 1.3, its own certificate, and only
// servers whose certificate is for the host asked for and chains to one of those given,
// which may be the servers' own.
func ClientTLS(own tls.Certificate, servers *x509.CertPool) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: servers, MinVersion: tls.VersionTLS13}
}
