package testkit

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// CA issues server certificates that a client trusts when it is told to, and
// every kind that it must refuse. What is valid now is also valid in a
// testing/synctest bubble, whose clock starts in the year 2000.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var (
	longAgo  = time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC)
	past     = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	future   = time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)
	farAhead = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
)

// NewCA makes an authority of its own.
func NewCA() *CA {
	key := newKey()
	template := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "smtp-sync test authority"},
		NotBefore: past, NotAfter: farAhead,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	return &CA{cert: sign(template, template, key, key), key: key}
}

// Server issues a good certificate for these names and addresses.
func (ca *CA) Server(hosts ...string) tls.Certificate {
	return ca.issue(past, farAhead, hosts)
}

// Expired issues one whose time is over.
func (ca *CA) Expired(hosts ...string) tls.Certificate { return ca.issue(longAgo, past, hosts) }

// NotYetValid issues one whose time is to come.
func (ca *CA) NotYetValid(hosts ...string) tls.Certificate { return ca.issue(future, farAhead, hosts) }

// WrongName issues a good one for somebody else.
func (ca *CA) WrongName() tls.Certificate { return ca.Server("somebody-else.example") }

// SelfSigned makes one that no authority has signed.
func (ca *CA) SelfSigned(hosts ...string) tls.Certificate {
	key := newKey()
	template := server(past, farAhead, hosts)
	return pair(sign(template, template, key, key), key)
}

func (ca *CA) issue(from, to time.Time, hosts []string) tls.Certificate {
	key := newKey()
	return pair(sign(server(from, to, hosts), ca.cert, key, ca.key), key)
}

// PEM gives the authority's certificate.
func (ca *CA) PEM() []byte { return certPEM(ca.cert.Raw) }

// WriteFile writes the authority's certificate, as SMTPSYNC_TLS_CA_FILE wants it.
func (ca *CA) WriteFile(path string) error { return os.WriteFile(path, ca.PEM(), 0o644) }

// Pool gives the authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

// ClientConfig trusts this authority and nobody else.
func (ca *CA) ClientConfig(name string) *tls.Config {
	return &tls.Config{RootCAs: ca.Pool(), ServerName: name, MinVersion: tls.VersionTLS12}
}

// ServerConfig serves a good certificate for these names and addresses.
func (ca *CA) ServerConfig(hosts ...string) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{ca.Server(hosts...)}, MinVersion: tls.VersionTLS12}
}

// PairPEM gives certificate and key as files have them.
func PairPEM(c tls.Certificate) (cert, key []byte) {
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	must(err)
	return certPEM(c.Certificate[0]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func server(from, to time.Time, hosts []string) *x509.Certificate {
	c := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "smtp-sync test server"},
		NotBefore: from, NotAfter: to, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			c.IPAddresses = append(c.IPAddresses, ip)
		} else {
			c.DNSNames = append(c.DNSNames, h)
		}
	}
	return c
}

func sign(template, parent *x509.Certificate, subject, signer *ecdsa.PrivateKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &subject.PublicKey, signer)
	must(err)
	cert, err := x509.ParseCertificate(der)
	must(err)
	return cert
}

func pair(cert *x509.Certificate, key *ecdsa.PrivateKey) tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	return key
}

func serial() *big.Int {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	must(err)
	return n
}

func certPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// must is for cryptography, which fails only where the machine is broken.
func must(err error) {
	if err != nil {
		panic("testkit: " + err.Error())
	}
}
