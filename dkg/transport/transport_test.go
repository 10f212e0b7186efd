package transport_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/claystack/dvkeys/dkg"
	"github.com/claystack/dvkeys/dkg/transport"
	"github.com/claystack/dvkeys/keyshare"
)

var keys = sync.OnceValue(func() (list []*rsa.PrivateKey) {
	for range 4 {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		list = append(list, k)
	}
	return list
})

func params(t *testing.T) *dkg.Params {
	p := &dkg.Params{Kind: dkg.Generate, Created: time.Now(), Expires: time.Now().Add(time.Hour), Keys: 2, Threshold: 3}
	_, _ = rand.Read(p.Nonce[:])
	for i, k := range keys() {
		p.Operators = append(p.Operators, dkg.Operator{Operator: keyshare.Operator{ID: keyshare.Index(i + 1), PublicKey: &k.PublicKey}, Scheme: dkg.PSS})
	}
	return p
}

// keep is a custody in memory.
func keep(_ context.Context, _ string, s *keyshare.Share) (keyshare.Key, error) {
	var k *keyshare.SecretKey
	err := s.Use(func(b []byte) (err error) { k, err = keyshare.ParseSecretKey(b); return err })
	return k, err
}

// ceremony runs all parties to the end.
func ceremony(t *testing.T, p *dkg.Params, end func(i int) dkg.Transport) []*dkg.Result {
	results := make([]*dkg.Result, 4)
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i, k := range keys() {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		c := dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k, Decrypter: k}
		e := end(i)
		all.Go(func() { results[i], errs[i] = dkg.Run(t.Context(), c, j, keep, e, nil) })
	}
	all.Wait()
	for i := range errs {
		require.NoError(t, errs[i], "party %d", i+1)
		require.Equal(t, results[0].Lineages[0].Hash(), results[i].Lineages[0].Hash())
		require.Empty(t, results[i].Unacknowledged)
		require.Len(t, results[i].Keys, 2)
	}
	return results
}

func TestMemory(t *testing.T) {
	net := transport.NewMemory(7)
	ceremony(t, params(t), func(int) dkg.Transport { return net.Join() })
}

// A key that a ceremony made goes to other operators by another, in which the dealers have
// their shares from transcript and certificate of the first.
func TestReshare(t *testing.T) {
	first := params(t)
	net := transport.NewMemory(7)
	made := ceremony(t, first, func(int) dkg.Transport { return net.Join() })
	p := params(t)
	p.Kind, p.Threshold, p.Dealers, p.Operators = dkg.Reshare, 2, p.Operators[:3], p.Operators[1:]
	for _, l := range made[0].Lineages {
		p.Parents = append(p.Parents, l.Hash())
	}
	net = transport.NewMemory(8)
	results := make([]*dkg.Result, 4)
	var all sync.WaitGroup
	for i, k := range keys() {
		c := dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k, Decrypter: k, Lineages: made[i].Lineages, AnyThreshold: true}
		if i < 3 {
			was := dkg.Config{Params: first, ID: c.ID, Decrypter: k}
			_, shares, err := dkg.Recover(was, made[i].Transcript, made[i].Certificate)
			require.NoError(t, err)
			for _, s := range shares {
				defer s.Destroy()
				c.Old = append(c.Old, s)
			}
		}
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		end := net.Join()
		all.Go(func() {
			var err error
			results[i], err = dkg.Run(t.Context(), c, j, keep, end, nil)
			assert.NoError(t, err)
		})
	}
	all.Wait()
	for v, old := range made[0].Lineages {
		root := keyshare.Root{byte(v)}
		partials := map[keyshare.Index]keyshare.Signature{}
		for _, i := range []int{1, 3} { // one of the old operators and the new one
			require.NotNil(t, results[i])
			sigs, err := results[i].Keys[v].SignRoots(t.Context(), root)
			require.NoError(t, err)
			partials[keyshare.Index(i+1)] = sigs[0]
		}
		signature, err := results[0].Groups()[v].Combine(root, partials)
		require.NoError(t, err)
		require.True(t, old.Group.PublicKey().Verify(root, signature))
	}
	require.Nil(t, results[0].Keys, "it only dealt")
}

// The order of delivery is the seed's.
func TestMemoryOrder(t *testing.T) {
	order := func(seed uint64) (got []byte) {
		net := transport.NewMemory(seed)
		a, b := net.Join(), net.Join()
		for i := range 20 {
			require.NoError(t, a.Send(t.Context(), []byte{byte(i)}))
		}
		for range 20 {
			m, err := b.Receive(t.Context())
			require.NoError(t, err)
			got = append(got, m[0]...)
		}
		return got
	}
	require.Equal(t, order(1), order(1))
	require.NotEqual(t, order(1), order(2))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	end := transport.NewMemory(1).Join()
	require.ErrorIs(t, end.Send(ctx, nil), context.Canceled)
	_, err := end.Receive(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// certificate makes a self-signed one for 127.0.0.1.
func certificate(t *testing.T) tls.Certificate {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	require.NoError(t, err)
	leaf, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf}
}

func pool(list ...tls.Certificate) *x509.CertPool {
	p := x509.NewCertPool()
	for _, c := range list {
		p.AddCert(c.Leaf)
	}
	return p
}

// server serves a mailbox at an address that stays its own when it is stopped.
type server struct {
	t       *testing.T
	socket  *os.File
	address string
	config  *tls.Config
	running *http.Server
}

func newServer(t *testing.T, own tls.Certificate, clients *x509.CertPool) *server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	require.NoError(t, err)
	s := &server{t: t, socket: socket, address: "https://" + l.Addr().String(), config: transport.ServerTLS(own, clients)}
	t.Cleanup(func() { s.stop(); _ = socket.Close() })
	return s
}

// start serves a handler, and stop cuts all connections.
func (s *server) start(h http.Handler) {
	l, err := net.FileListener(s.socket)
	if !assert.NoError(s.t, err) {
		return
	}
	s.running = &http.Server{Handler: h, TLSConfig: s.config, ErrorLog: log.New(io.Discard, "", 0)}
	go s.running.ServeTLS(l, "", "")
}

func (s *server) stop() {
	if s.running != nil {
		_ = s.running.Close()
		s.running = nil
	}
}

// serve serves a handler to the end of the test and returns where.
func serve(t *testing.T, h http.Handler, own tls.Certificate, clients *x509.CertPool) string {
	s := newServer(t, own, clients)
	s.start(h)
	return s.address
}

func client(t *testing.T, p *dkg.Params, c *tls.Config, addresses []string, o *transport.ClientOptions) *transport.Client {
	cl, err := transport.NewClient(p.Session(), c, addresses, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cl.Close()) })
	return cl
}

func TestDirect(t *testing.T) {
	p := params(t)
	var certs []tls.Certificate
	for range 4 {
		certs = append(certs, certificate(t))
	}
	everybody := pool(certs...)
	boxes, addresses := make([]*transport.Mailbox, 4), make([]string, 4)
	for i := range boxes {
		boxes[i] = transport.NewMailbox(&transport.MailboxOptions{ReadOnly: true})
		addresses[i] = serve(t, boxes[i], certs[i], everybody)
	}
	ceremony(t, p, func(i int) dkg.Transport {
		var others []string
		for j, a := range addresses {
			if j != i {
				others = append(others, a)
			}
		}
		return client(t, p, transport.ClientTLS(certs[i], everybody), others, &transport.ClientOptions{Own: boxes[i]})
	})
}
