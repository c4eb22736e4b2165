package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// hello is the role of a server that knows one answer and writes it from
// memory, whatever it is asked: what two cores can do at most. Its kinds are
// "bare loop", which reads up to the end of a head and writes the octets, and
// "net/http", which is the standard library's server with the same body.
func hello(ctx context.Context, say io.Writer, kind, answer string) error {
	octets, err := base64.StdEncoding.DecodeString(answer)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { _ = l.Close() })
	fmt.Fprintln(say, l.Addr())
	if kind == "net/http" {
		err = helloHTTP(l, octets)
	} else {
		err = helloLoop(l, octets)
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func helloHTTP(l net.Listener, octets []byte) error {
	head, body, _ := bytes.Cut(octets, endOfHead)
	kind := string(field(head, "Content-Type"))
	s := http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		_, _ = w.Write(body)
	})}
	return s.Serve(l)
}

func helloLoop(l net.Listener, octets []byte) error {
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			buf, n := make([]byte, 8<<10), 0
			for n < len(buf) {
				m, err := c.Read(buf[n:])
				if err != nil {
					return
				}
				if n += m; !bytes.HasSuffix(buf[:n], endOfHead) {
					continue
				}
				if n = 0; write(c, octets) != nil {
					return
				}
			}
		}()
	}
}

func write(c net.Conn, octets []byte) error {
	_, err := c.Write(octets)
	return err
}

// webTable has what each server does with each kind of answer.
type webTable struct {
	*run
	world *world.World
	rows  [][]string
}

func (t *webTable) table() report.Table {
	return report.Table{Title: fmt.Sprintf("%d connections, each as fast as it is answered; the load runs on the same two cores", t.Web.Connections),
		Header: []string{"server", "req/s", "p50 ms", "p99 ms", "CPU µs a request, of the server"}, Rows: t.rows}
}

// row pounds on a server for the time of the scenario.
func (t *webTable) row(ctx context.Context, name string, pid int, at string, requests [][]byte) (p pounded, err error) {
	if _, err := pound(ctx, at, requests, t.Web.Connections, t.warmup()/4, 0); err != nil {
		return p, err
	}
	before, err := world.Look(pid)
	if err != nil {
		return p, err
	}
	if p, err = pound(ctx, at, requests, t.Web.Connections, t.steady(), 0); err != nil {
		return p, err
	}
	after, err := world.Look(pid)
	if err != nil {
		return p, err
	}
	if n := p.other(); n > 0 {
		t.result.Note("%s: %d answers were none with status 200: %v.", name, n, p.status)
	}
	t.rows = append(t.rows, []string{name, report.Number(float64(int(p.rate()))), report.Number(ms(p.took.Quantile(0.5))), report.Number(ms(p.took.Quantile(0.99))),
		report.Number(float64((after.CPU - before.CPU).Microseconds()) / float64(max(p.took.Count(), 1)))})
	return p, nil
}

// hello is the row of a server that knows one answer.
func (t *webTable) hello(ctx context.Context, kind, what string, octets []byte) (pounded, error) {
	t.say("%s: %s", kind, what)
	c, err := world.StartChild(ctx, t.world.Self, "hello", nil, kind, base64.StdEncoding.EncodeToString(octets))
	if err != nil {
		return pounded{}, err
	}
	defer c.Stop()
	return t.row(ctx, kind+", the same octets from memory: "+what, c.PID, c.Said, asking("/"))
}
