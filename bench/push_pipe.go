package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// pushWork is the bare pipe over IDLE.
type pushWork struct {
	Placed     []hosts.Placed
	API, Token string
}

// pushPipe waits on every mailbox of some fleets with the product's own IMAP
// package, and sends what arrives with the two requests: no schedule, no
// permits, no books. It says "parked" when all wait, and runs until ctx ends.
func pushPipe(ctx context.Context, say io.Writer, order string) error {
	var w pushWork
	if err := json.Unmarshal([]byte(order), &w); err != nil {
		return err
	}
	client, err := gmail.New(gmail.Options{APIURL: w.API, Tokens: fixed(w.Token), Transport: gmail.NewTransport(nil)})
	if err != nil {
		return err
	}
	var pipes, waiting sync.WaitGroup
	fail := make(chan error, 1)
	atOnce := make(chan struct{}, 64) // logins
	for _, p := range w.Placed {
		if p.Protocol != "imap" || p.Behaves != "" {
			continue
		}
		out, err := dialer(portsOf(p)...)
		if err != nil {
			return err
		}
		for i := range p.Mailboxes {
			d := imap.New(imap.Config{Host: "127.0.0.1", Port: uint16(p.Port(i)), Security: imap.TLS, Username: p.Username(i),
				Password: vault.NewSecret(hosts.Password), ReadOnly: true, Keep: true, Dial: out})
			waiting.Add(1)
			pipes.Go(func() {
				l := pushLane{d: d, client: client, parked: sync.OnceFunc(waiting.Done), atOnce: atOnce}
				err := l.run(ctx) // it ends with an error only
				if ctx.Err() == nil {
					select {
					case fail <- fmt.Errorf("mailbox %d: %w", i, err):
					default:
					}
					l.parked()
				}
			})
		}
	}
	waiting.Wait()
	fmt.Fprintln(say, "parked")
	select {
	case err := <-fail:
		return err
	case <-ctx.Done():
	}
	pipes.Wait()
	return nil
}

// pushLane is one mailbox of the pipe.
type pushLane struct {
	d      *imap.Dialer
	client *gmail.Client
	parked func()
	atOnce chan struct{}
	last   uint32 // UID
}

func (l *pushLane) run(ctx context.Context) error {
	l.atOnce <- struct{}{}
	err := l.pass(ctx, false)
	<-l.atOnce
	for err == nil {
		var p *imap.Parked
		if p, err = l.d.Park(ctx); err != nil {
			break
		}
		if p == nil {
			return errors.New("the server does not push")
		}
		l.parked()
		if err = p.Wait(ctx); err != nil {
			p.Close()
			break
		}
		l.d.Resume(p)
		err = l.pass(ctx, true)
	}
	return err
}

// pass sends what is new; at first it only looks what there is.
func (l *pushLane) pass(ctx context.Context, send bool) error {
	s, err := l.d.Open(ctx)
	if err != nil {
		return err
	}
	var fresh []mail.Ref
	for ref, err := range s.List(ctx) {
		if err != nil {
			return err
		}
		if ref.UID > l.last {
			l.last = ref.UID
			fresh = append(fresh, ref)
		}
	}
	if send && len(fresh) > 0 {
		for in, err := range s.Fetch(ctx, fresh) {
			if err != nil {
				return err
			}
			raw, err := io.ReadAll(in.Body)
			if err != nil {
				return err
			}
			if err := twoRequests(ctx, l.client, int64(len(raw)), bytes.NewReader(raw)); err != nil {
				return err
			}
		}
	}
	return s.Close(ctx)
}

func portsOf(p hosts.Placed) (ports []uint16) {
	for _, port := range p.Ports {
		ports = append(ports, uint16(port))
	}
	return ports
}

// bareWait is what an open TLS connection costs on which a goroutine waits,
// in bytes resident: the physical limit of push in Go.
func bareWait(ctx context.Context, say io.Writer, order string) error {
	var p hosts.Placed
	if err := json.Unmarshal([]byte(order), &p); err != nil {
		return err
	}
	open := func(i int) (net.Conn, error) {
		d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}} // loopback, and nothing is said on it
		c, err := d.DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Port(i))))
		if err == nil {
			_, err = c.Read(make([]byte, 200)) // the greeting
		}
		return c, err
	}
	const most = 2000 // greeted, they are not kept waiting for ever
	n := min(p.Mailboxes, most)
	var before float64
	var conns []net.Conn
	for i := range n {
		c, err := open(i)
		if err != nil {
			return err
		}
		conns = append(conns, c)
		go func() { _, _ = c.Read(make([]byte, 1)) }()
		if i == n/10 {
			before = resident()
		}
	}
	each := (resident() - before) / float64(max(n-n/10-1, 1))
	for _, c := range conns {
		_ = c.Close()
	}
	return json.NewEncoder(say).Encode(each)
}

// resident is what this process has in memory, without garbage.
func resident() float64 {
	debug.FreeOSMemory()
	runtime.GC()
	time.Sleep(10 * time.Millisecond)
	s, err := world.Look(os.Getpid())
	if err != nil {
		return 0
	}
	return s.RSS
}
