package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// asking gives the octets of a GET for each token; of none, a GET by nobody.
// They are made beforehand: what the load costs, the product lacks.
func asking(path string, tokens ...vault.Secret) (requests [][]byte) {
	line := "GET " + path + " HTTP/1.1\r\nHost: bench.example\r\nAccept: application/json\r\n"
	if len(tokens) == 0 {
		return [][]byte{[]byte(line + "\r\n")}
	}
	for _, t := range tokens {
		requests = append(requests, []byte(line+"Authorization: Bearer "+t.RevealString()+"\r\n\r\n"))
	}
	return requests
}

// wire is one connection: it writes made requests and reads answers, and does
// nothing else. A client that parses and checks would cost as much as a server.
type wire struct {
	net.Conn
	buf []byte
}

func dialWire(ctx context.Context, at string) (*wire, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", at)
	if err != nil {
		return nil, err
	}
	return &wire{c, make([]byte, 64<<10)}, nil
}

var endOfHead = []byte("\r\n\r\n")

// ask sends a request and gives the whole answer, good until the next one.
func (w *wire) ask(request []byte) (head, body []byte, err error) {
	if err := w.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, nil, err
	}
	if _, err := w.Write(request); err != nil {
		return nil, nil, err
	}
	n, end := 0, -1
	for end < 0 || n < end {
		if n == len(w.buf) {
			return nil, nil, errors.New("the answer is larger than the load expects")
		}
		m, err := w.Read(w.buf[n:])
		if err != nil {
			return nil, nil, err
		}
		n += m
		if end >= 0 {
			continue
		}
		if i := bytes.Index(w.buf[:n], endOfHead); i >= 0 {
			head = w.buf[:i+len(endOfHead)]
			length, err := strconv.Atoi(string(field(head, "Content-Length")))
			if err != nil {
				return nil, nil, fmt.Errorf("an answer without its length: %.200q", head)
			}
			end = len(head) + length
		}
	}
	return head, w.buf[len(head):end], nil
}

// field is the value of a field of a head, in the spelling of both servers; nil
// if it is not there.
func field(head []byte, name string) []byte {
	_, rest, found := bytes.Cut(head, []byte("\r\n"+name+": "))
	if !found {
		return nil
	}
	value, _, _ := bytes.Cut(rest, []byte("\r\n"))
	return value
}

// status of an answer; 0 if it is none.
func status(head []byte) int {
	if len(head) < len("HTTP/1.1 200") {
		return 0
	}
	n, _ := strconv.Atoi(string(head[9:12]))
	return n
}

// answerTo gives the octets that answer one request well.
func answerTo(ctx context.Context, at string, request []byte) ([]byte, error) {
	w, err := dialWire(ctx, at)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	head, body, err := w.ask(request)
	if err == nil && status(head) != 200 {
		err = fmt.Errorf("the answer is %.300q", w.buf[:len(head)+len(body)])
	}
	return slices.Concat(head, body), err
}

// pounded is what a load has shown.
type pounded struct {
	took, late *load.Histogram
	lasted     time.Duration
	status     map[int]int
	mute       int // answers 429 without Retry-After
}

// rate is that of good answers.
func (p pounded) rate() float64 { return float64(p.status[200]) / p.lasted.Seconds() }

// other counts what was not answered well.
func (p pounded) other() (n int) {
	for s, m := range p.status {
		if s != 200 {
			n += m
		}
	}
	return n
}

// tally counts the answers of many connections.
type tally struct {
	took *load.Histogram
	mu   sync.Mutex
	got  map[int]int
	mute int
}

func newTally() *tally { return &tally{took: load.NewHistogram(), got: map[int]int{}} }

func (t *tally) count(head []byte, since time.Time) {
	s := status(head)
	if s == 200 {
		t.took.Record(time.Since(since))
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.got[s]++
	if s == 429 && field(head, "Retry-After") == nil {
		t.mute++
	}
}

// pound asks over some connections, each as fast as it is answered (a closed
// loop: what a server can do, and the least that a request takes then), for d
// or, if most is above 0, until so many were asked. The requests take turns.
func pound(ctx context.Context, at string, requests [][]byte, connections int, d time.Duration, most int) (pounded, error) {
	t, start := newTally(), time.Now()
	end := start.Add(d)
	var turn atomic.Int64
	var all sync.WaitGroup
	failed := make(chan error, connections)
	for range connections {
		all.Go(func() {
			w, err := dialWire(ctx, at)
			if err != nil {
				failed <- err
				return
			}
			defer w.Close()
			for ctx.Err() == nil {
				n, begun := int(turn.Add(1))-1, time.Now()
				if most > 0 && n >= most || !begun.Before(end) {
					return
				}
				head, _, err := w.ask(requests[n%len(requests)])
				if err != nil {
					failed <- err
					return
				}
				t.count(head, begun)
			}
		})
	}
	all.Wait()
	close(failed)
	return pounded{took: t.took, lasted: time.Since(start), status: t.got, mute: t.mute}, errors.Join(<-failed, context.Cause(ctx))
}

// offerPages asks at a rate by the clock (an open loop) over so many
// connections; who finds none free waits for one, which counts.
func offerPages(ctx context.Context, at string, requests [][]byte, connections int, rate float64, d time.Duration, seed uint64) (pounded, error) {
	free := make(chan *wire, connections)
	for range connections {
		w, err := dialWire(ctx, at)
		if err != nil {
			return pounded{}, err
		}
		defer w.Close()
		free <- w
	}
	t, start := newTally(), time.Now()
	late := load.Run(ctx, start, load.Arrivals(rate, d, seed), func(i int, intended time.Time) {
		w := <-free
		head, _, err := w.ask(requests[i%len(requests)])
		if err != nil {
			head = nil // counts as failed, and so does all that follows on this connection
		}
		t.count(head, intended)
		free <- w
	})
	return pounded{took: t.took, late: late, lasted: time.Since(start), status: t.got, mute: t.mute}, context.Cause(ctx)
}
