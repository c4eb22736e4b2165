package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/dial"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// pipeArgs say what the bare pipe moves, and where.
type pipeArgs struct {
	source     string // pop3s:127.0.0.1:port or imaps:…
	user       string
	password   string // the file it is in
	token      string // access token
	api        string
	oneRequest bool
}

// window: a mail up to this size is read whole, so that several uploads run
// from one connection, as in the product.
const window = 256 << 10

// source is what both protocols offer.
type source interface {
	List(context.Context) iter.Seq2[mail.Ref, error]
	Fetch(context.Context, []mail.Ref) iter.Seq2[*mail.Incoming, error]
	Close(context.Context) error
}

// pipe is the bare pipe: fetch, two requests a message (or one), no books.
func pipe(ctx context.Context, a pipeArgs) error {
	open, connections, err := a.opener()
	if err != nil {
		return err
	}
	transport := gmail.NewTransport(nil)
	client, err := gmail.New(gmail.Options{APIURL: a.api, Tokens: fixed(a.token), Transport: transport})
	if err != nil {
		return err
	}
	send := func(ctx context.Context, size int64, body io.Reader) error {
		return twoRequests(ctx, client, size, body)
	}
	if a.oneRequest {
		send = a.oneRequestSender(&http.Client{Transport: transport})
	}
	first, err := open(ctx)
	if err != nil {
		return err
	}
	var refs []mail.Ref
	for ref, err := range first.List(ctx) {
		if err != nil {
			return err
		}
		refs = append(refs, ref)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	q := &queue{refs: refs}
	slots := make(chan struct{}, parallel)
	var lanes sync.WaitGroup
	for i := range connections {
		lanes.Go(func() {
			s := first
			if i > 0 {
				if s, err = open(ctx); err != nil {
					cancel(err)
					return
				}
			}
			if err := lane(ctx, s, q, slots, send); err != nil {
				cancel(err)
			}
		})
	}
	lanes.Wait()
	return context.Cause(ctx)
}

// queue hands out batches of a hundred.
type queue struct {
	mu   sync.Mutex
	refs []mail.Ref
}

func (q *queue) take() []mail.Ref {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(100, len(q.refs))
	if n > 0 && q.refs[0].Size > window {
		n = 1
	}
	batch := q.refs[:n]
	q.refs = q.refs[n:]
	return batch
}

// lane empties the queue over one connection.
func lane(ctx context.Context, s source, q *queue, slots chan struct{}, send func(context.Context, int64, io.Reader) error) error {
	var uploads sync.WaitGroup
	var failed error
	var once sync.Once
	fail := func(err error) {
		if err != nil {
			once.Do(func() { failed = err })
		}
	}
	for batch := q.take(); len(batch) > 0; batch = q.take() {
		for in, err := range s.Fetch(ctx, batch) {
			if err != nil {
				return err
			}
			buf := buffers.Get().(*[]byte)
			n, err := io.ReadFull(in.Body, *buf)
			slots <- struct{}{}
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				uploads.Go(func() {
					fail(send(ctx, int64(n), bytes.NewReader((*buf)[:n])))
					buffers.Put(buf)
					<-slots
				})
				continue
			}
			size := in.Size
			if size < 0 {
				size = in.Ref.Size // Dovecot's LIST is right; the product cannot count on it
			}
			fail(send(ctx, size, io.MultiReader(bytes.NewReader((*buf)[:n]), in.Body)))
			buffers.Put(buf)
			<-slots
		}
	}
	uploads.Wait()
	return errors.Join(failed, s.Close(ctx))
}

var buffers = sync.Pool{New: func() any { return new(make([]byte, window)) }}

// twoRequests opens a session and sends the message in one PUT.
func twoRequests(ctx context.Context, c *gmail.Client, size int64, body io.Reader) error {
	uri, err := c.Open(ctx, mail.Upload{LabelIDs: []string{"INBOX", "UNREAD"}, Size: size})
	if err != nil {
		return err
	}
	a, err := c.Put(ctx, uri, mail.Chunk{Length: size, Total: size, Body: body})
	if err == nil && !a.Done {
		err = errors.New("not committed")
	}
	return err
}

// oneRequestSender uploads with uploadType=media: no labels, and an outcome
// that cannot be asked for.
func (a pipeArgs) oneRequestSender(c *http.Client) func(context.Context, int64, io.Reader) error {
	url := a.api + "/upload/gmail/v1/users/me/messages/import?uploadType=media&fields=id"
	return func(ctx context.Context, size int64, body io.Reader) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
		if err != nil {
			return err
		}
		req.ContentLength = size
		req.Header.Set("Content-Type", "message/rfc822")
		req.Header.Set("Authorization", "Bearer "+a.token)
		res, err := c.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		if res.StatusCode/100 != 2 {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	}
}

// opener gives the way into the mailbox and the connections it is used with.
func (a pipeArgs) opener() (open func(context.Context) (source, error), connections int, err error) {
	protocol, addr, _ := strings.Cut(a.source, ":")
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, 0, err
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, 0, err
	}
	text, err := os.ReadFile(a.password)
	if err != nil {
		return nil, 0, err
	}
	out, err := dialer(uint16(n))
	if err != nil {
		return nil, 0, err
	}
	secret := vault.NewSecret(strings.TrimRight(string(text), "\r\n"))
	if strings.HasPrefix(protocol, "pop3") {
		d := pop3.New(pop3.Config{
			Host: host, Port: uint16(n), Security: security(protocol, pop3.TLS, pop3.StartTLS),
			Username: a.user, Password: secret, Dial: out,
		})
		return func(ctx context.Context) (source, error) { return d.Open(ctx) }, 1, nil
	}
	d := imap.New(imap.Config{
		Host: host, Port: uint16(n), Security: security(protocol, imap.TLS, imap.STARTTLS),
		Username: a.user, Password: secret, ReadOnly: true, Dial: out,
	})
	return func(ctx context.Context) (source, error) { return d.Open(ctx) }, 2, nil
}

// dialer goes out to these ports of this machine and of the open Internet,
// and trusts the authority of the run as well.
func dialer(ports ...uint16) (*dial.Dialer, error) {
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if file := os.Getenv("SMTPSYNC_TLS_CA_FILE"); file != "" {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		roots.AppendCertsFromPEM(pem)
	}
	return dial.New(dial.Options{Roots: roots, Policy: dial.Policy{
		Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Ports: ports,
	}}), nil
}

func security[S ~string](protocol string, tls, starttls S) S {
	if strings.HasSuffix(protocol, "s") {
		return tls
	}
	return starttls
}

// fixed is a token that needs no refreshing.
type fixed string

func (f fixed) Token(context.Context, vault.Secret) (vault.Secret, error) {
	return vault.NewSecret(string(f)), nil
}
func (fixed) Granted(context.Context, string) (bool, error) { return true, nil }
