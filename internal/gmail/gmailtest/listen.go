package gmailtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"
)

// Listening is a double on a listener of its own.
type Listening struct {
	*Server
	URL   string         // base address
	CAPEM []byte         // with TLS: the root to trust, as PEM
	Roots *x509.CertPool // the same

	http *http.Server
	wg   sync.WaitGroup
}

// Start serves a double on addr, such as "127.0.0.1:0", as plain HTTP.
func Start(o Options, addr string) (*Listening, error) { return start(o, addr, false) }

// StartTLS serves a double over TLS with HTTP/2, under a certificate of its own.
func StartTLS(o Options, addr string) (*Listening, error) { return start(o, addr, true) }

func start(o Options, addr string, secure bool) (*Listening, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("gmailtest: %w", err)
	}
	l := &Listening{Server: New(o), URL: "http://" + ln.Addr().String()}
	if !secure {
		l.serve(ln)
		return l, nil
	}
	cert, err := selfSigned(ln.Addr().(*net.TCPAddr).IP)
	if err != nil {
		_ = ln.Close()
		return nil, err
	}
	l.URL = "https://" + ln.Addr().String()
	l.CAPEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})
	l.Roots = x509.NewCertPool()
	l.Roots.AppendCertsFromPEM(l.CAPEM)
	l.serve(tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2", "http/1.1"}}))
	return l, nil
}

// Serve lets s answer on ln until Close.
func (s *Server) Serve(ln net.Listener) *Listening {
	l := &Listening{Server: s, URL: "http://" + ln.Addr().String()}
	l.serve(ln)
	return l
}

func (l *Listening) serve(ln net.Listener) {
	l.http = &http.Server{Handler: l.Server, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(quiet{}, "", 0),
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: 100, MaxReceiveBufferPerConnection: 1 << 20, MaxReceiveBufferPerStream: 1 << 20}}
	l.wg.Go(func() { _ = l.http.Serve(ln) })
}

// Close cuts all connections; requests in progress notice and end.
func (l *Listening) Close() {
	l.close.Do(func() { close(l.closed) })
	_ = l.http.Close()
	l.wg.Wait()
}

// quiet: cut connections are the daily bread here.
type quiet struct{}

func (quiet) Write(b []byte) (int, error) { return len(b), nil }

func selfSigned(ip net.IP) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("gmailtest: %w", err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "Gmail double"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 0, 30), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{ip}, DNSNames: []string{"localhost"}}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("gmailtest: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// Pipe is a listener without a network, for tests in fake time: each Dial gives
// a net.Pipe whose other end is accepted.
type Pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// NewPipe makes a Pipe. Its address is 127.0.0.1:80, so that clients take it
// for loopback.
func NewPipe() *Pipe { return &Pipe{conns: make(chan net.Conn), closed: make(chan struct{})} }

// Dial is an http.Transport's DialContext.
func (p *Pipe) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.closed:
		return nil, errors.New("gmailtest: pipe is closed")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept, Close and Addr make it a net.Listener.
func (p *Pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *Pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (*Pipe) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }
