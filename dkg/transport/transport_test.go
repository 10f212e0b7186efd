package transport_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
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
	p := &dkg.Params{Kind: dkg.Generate, Created: time.Now(), Expires: time.Now().Add(time.Minute), Keys: 2, Threshold: 3}
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

// ceremony runs all parties; afterwards is called in the middle of party 2's run.
func ceremony(t *testing.T, p *dkg.Params, end func(i int) dkg.Transport) []*dkg.Result {
	results := make([]*dkg.Result, 4)
	errs := make([]error, 4)
	var all sync.WaitGroup
	for i, k := range keys() {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		c := dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k, Decrypter: k}
		all.Go(func() { results[i], errs[i] = dkg.Run(t.Context(), c, j, keep, end(i), nil) })
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

// serve runs a mailbox at an address, or at a new one, and returns it and how to stop.
func serve(t *testing.T, at string, m http.Handler, own tls.Certificate, clients *x509.CertPool) (address string, stop func()) {
	l, err := net.Listen("tcp", at)
	require.NoError(t, err)
	s := &http.Server{Handler: m, TLSConfig: transport.ServerTLS(own, clients)}
	go s.ServeTLS(l, "", "")
	stop = func() { _ = s.Close() }
	t.Cleanup(stop)
	return "https://" + l.Addr().String(), stop
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
		boxes[i] = transport.NewMailbox(nil)
		addresses[i], _ = serve(t, "127.0.0.1:0", boxes[i], certs[i], everybody)
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

// slow delays a party, so that a relay can be replaced meanwhile.
type slow struct {
	dkg.Transport
	first sync.Once
	wait  <-chan struct{}
}

func (s *slow) Receive(ctx context.Context) ([][]byte, error) {
	s.first.Do(func() { <-s.wait })
	return s.Transport.Receive(ctx)
}

// A relay that dies in the middle and comes back with nothing does not matter.
func TestRelayForgets(t *testing.T) {
	p := params(t)
	relay, party := certificate(t), certificate(t)
	address, stop := serve(t, "127.0.0.1:0", transport.NewMailbox(nil), relay, pool(party))
	wait := make(chan struct{})
	go func() {
		time.Sleep(300 * time.Millisecond)
		stop()
		serve(t, address[len("https://"):], transport.NewMailbox(nil), relay, pool(party))
		close(wait)
	}()
	ceremony(t, p, func(i int) dkg.Transport {
		c := client(t, p, transport.ClientTLS(party, pool(relay)), []string{address}, nil)
		if i == 2 {
			return &slow{Transport: c, wait: wait}
		}
		return c
	})
}

func TestLimits(t *testing.T) {
	p := params(t)
	relay, party, stranger := certificate(t), certificate(t), certificate(t)
	m := transport.NewMailbox(&transport.MailboxOptions{Sessions: 1, Messages: 2, Bytes: 10, Wait: 10 * time.Millisecond})
	address, _ := serve(t, "127.0.0.1:0", m, relay, pool(party))
	url := address + "/v1/" + p.Session().String()
	web := func(c tls.Certificate) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: transport.ClientTLS(c, pool(relay)), ForceAttemptHTTP2: true}}
	}
	do := func(method, url string, body []byte) int {
		r, err := http.NewRequest(method, url, bytes.NewReader(body))
		require.NoError(t, err)
		resp, err := web(party).Do(r)
		require.NoError(t, err)
		require.Equal(t, 2, resp.ProtoMajor)
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	_, err := web(stranger).Get(url + "?from=0")
	require.Error(t, err, "a client without a certificate that is known")

	require.Equal(t, http.StatusNoContent, do("POST", url, []byte("one")))
	require.Equal(t, http.StatusNoContent, do("POST", url, []byte("one")), "the same again")
	require.Equal(t, http.StatusTooManyRequests, do("POST", url, []byte("too many bytes")))
	require.Equal(t, http.StatusNoContent, do("POST", url, []byte("two")))
	require.Equal(t, http.StatusTooManyRequests, do("POST", url, []byte("3")))
	require.Equal(t, http.StatusTooManyRequests, do("POST", address+"/v1/"+params(t).Session().String(), []byte("x")), "a second session")
	require.Equal(t, http.StatusNotFound, do("GET", address+"/v1/xyz", nil))
	require.Equal(t, http.StatusBadRequest, do("GET", url+"?from=-1", nil))
	require.Equal(t, http.StatusMethodNotAllowed, do("PUT", url, nil))
	require.Equal(t, http.StatusOK, do("GET", url+"?from=7", nil), "nothing to read")

	r, err := http.NewRequest("POST", url, http.NoBody)
	require.NoError(t, err)
	r.ContentLength = dkg.MaxMessage + 1
	r.Body = http.MaxBytesReader(nil, http.NoBody, 1)
	if resp, err := web(party).Do(r); err == nil {
		require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
		require.NoError(t, resp.Body.Close())
	}
	_, err = transport.NewClient(p.Session(), nil, nil, nil)
	require.EqualError(t, err, "transport: no addresses")
	_, err = transport.NewClient(p.Session(), nil, []string{"http://x"}, nil)
	require.EqualError(t, err, `transport: address "http://x", expected https://host:port`)
}

// Run gives up when its context ends, and says whom it waits for.
func TestRunTimesOut(t *testing.T) {
	p := params(t)
	network := transport.NewMemory(1)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for i, k := range keys()[:3] {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		end := network.Join()
		all.Go(func() {
			_, err := dkg.Run(ctx, dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k}, j, keep, end, nil)
			var late *dkg.TimeoutError
			if assert.ErrorAs(t, err, &late) {
				assert.Equal(t, dkg.RoundHello, late.Round)
				assert.Equal(t, []keyshare.Index{4}, late.Silent)
				assert.ErrorIs(t, err, context.DeadlineExceeded)
			}
		})
	}
	all.Wait()
}

// Run returns what a fault is, and what proves it.
func TestRunAborts(t *testing.T) {
	p := params(t)
	network := transport.NewMemory(1)
	bad := func(_ int, k keyshare.PublicKey) ([]keyshare.Root, error) { return []keyshare.Root{{9}}, nil }
	var all sync.WaitGroup
	for i, k := range keys() {
		j, err := dkg.OpenJournal(t.TempDir(), p.Session())
		require.NoError(t, err)
		end := network.Join()
		c := dkg.Config{Params: p, ID: keyshare.Index(i + 1), Identity: k, Decrypter: k}
		if i == 2 {
			c.Roots = bad // another configuration than the others'
		}
		all.Go(func() {
			_, err := dkg.Run(t.Context(), c, j, keep, end, nil)
			var abort *dkg.AbortError
			if assert.ErrorAs(t, err, &abort) {
				assert.Equal(t, dkg.CodeRoots, abort.Code)
				assert.True(t, abort.Confirmed)
				assert.Nil(t, abort.Evidence)
				if i != 2 {
					assert.Equal(t, []keyshare.Index{3}, abort.Faulty)
				}
			}
		})
	}
	all.Wait()
	_, err := dkg.Run(t.Context(), dkg.Config{}, nil, nil, nil, nil)
	require.EqualError(t, err, "dkg: params are missing")
}
