package discover

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"github.com/smtp-sync/smtp-sync/internal/dial"
)

// Web fetches a provider's file: at most maxFile octets of it, from a public
// address, over https.
type Web interface {
	Get(ctx context.Context, url string) ([]byte, error)
}

const (
	maxRedirects = 3
	httpsPort    = 443
)

var errWeb = errors.New("discover: not a file that we take")

// web fetches through internal/dial, which judges every address at connect time,
// also those that a redirect leads to. It knows no proxy, keeps no connection
// and no cookie.
type web struct {
	dial   *dial.Dialer
	port   uint16
	client http.Client
}

// newWeb makes one for that port; tests have another than 443.
func newWeb(d *dial.Dialer, port uint16) *web {
	w := &web{dial: d, port: port}
	w.client = http.Client{
		CheckRedirect: w.checkRedirect,
		Transport: &http.Transport{
			DialTLSContext: w.connect,
			DialContext: func(context.Context, string, string) (net.Conn, error) {
				return nil, errWeb // http in clear text
			},
			DisableKeepAlives:      true,
			DisableCompression:     true, // what is counted is what came
			MaxResponseHeaderBytes: 16 << 10,
			TLSNextProto:           map[string]func(string, *tls.Conn) http.RoundTripper{},
		},
	}
	return w
}

// connect dials the host of a URL, secured.
func (w *web) connect(ctx context.Context, _, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	conn, err := w.dial.Dial(ctx, host, w.port)
	if err != nil {
		return nil, err
	}
	return w.dial.TLS(ctx, conn, host)
}

func (w *web) checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return errWeb
	}
	r.Header.Del("Referer")
	return w.check(r.URL)
}

// check refuses every URL but plain https ones.
func (w *web) check(u *url.URL) error {
	if u.Scheme != "https" || u.User != nil || u.Port() != "" && u.Port() != strconv.Itoa(int(w.port)) {
		return errWeb
	}
	_, err := dial.CheckHost(u.Hostname())
	return err
}

// Get implements Web.
func (w *web) Get(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if err := w.check(r.URL); err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", "smtp-sync")
	r.Header.Set("Accept", "application/xml, text/xml")
	answer, err := w.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%w: status %d", errWeb, answer.StatusCode)
	}
	file, err := io.ReadAll(io.LimitReader(answer.Body, maxFile+1))
	if err == nil && len(file) > maxFile {
		err = errWeb
	}
	return file, err
}
