package gmail

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"
)

// writeBuffer of an HTTP/1.1 connection holds a small mail with its head.
const writeBuffer = 32 << 10

// NewTransport makes the connection pool to Gmail that all Clients of a
// process share. Over TLS it speaks HTTP/2 and opens further connections by
// itself when one has no streams left.
func NewTransport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true, // a TLSClientConfig of one's own turns it off otherwise
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConns:        512,
		MaxIdleConnsPerHost: 128,
		IdleConnTimeout:     90 * time.Second,
		// The answer to the last octet comes after Gmail has scanned the mail.
		ResponseHeaderTimeout:  100 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true, // answers are tiny; a bomb is not worth unpacking
		WriteBufferSize:        writeBuffer,
		ReadBufferSize:         4 << 10,
		HTTP2: &http.HTTP2Config{
			SendPingTimeout:  30 * time.Second, // find dead connections before a message does
			PingTimeout:      15 * time.Second,
			WriteByteTimeout: 60 * time.Second,
		},
	}
}
