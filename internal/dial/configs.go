package dial

import (
	"crypto/tls"
	"crypto/x509"
	"runtime"
	"sync"
	"weak"
)

// configs are the TLS settings of hosts. All connections to a host share one,
// which is half a kilobyte each for the thousands that wait for mail; it goes
// with the last of them.
type configs struct {
	roots *x509.CertPool

	mu     sync.Mutex
	byName map[string]weak.Pointer[tls.Config]
}

func (c *configs) of(name string) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if shared := c.byName[name].Value(); shared != nil {
		return shared
	}
	fresh := &tls.Config{ServerName: name, RootCAs: c.roots, MinVersion: tls.VersionTLS12}
	p := weak.Make(fresh)
	if c.byName == nil {
		c.byName = make(map[string]weak.Pointer[tls.Config])
	}
	c.byName[name] = p
	runtime.AddCleanup(fresh, func(name string) { c.forget(name, p) }, name)
	return fresh
}

// forget lets a name go, unless another config has taken its place.
func (c *configs) forget(name string, p weak.Pointer[tls.Config]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byName[name] == p {
		delete(c.byName, name)
	}
}
