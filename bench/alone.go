package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/internal/gmail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// gmailWork is the two Gmail requests by themselves, by the clock.
type gmailWork struct {
	API, Token    string
	Rate, Seconds float64
	Seed          uint64
}

// gmailAlone offers the two requests a message at the same rate, with the same
// kind of mail, and says how long each took from its intended time: what a
// latency is made of that no product can take away.
func gmailAlone(ctx context.Context, say io.Writer, order string) error {
	var w gmailWork
	if err := json.Unmarshal([]byte(order), &w); err != nil {
		return err
	}
	client, err := gmail.New(gmail.Options{APIURL: w.API, Tokens: fixed(w.Token), Transport: gmail.NewTransport(nil)})
	if err != nil {
		return err
	}
	var mu sync.Mutex
	var took []int64
	var failed error
	d := time.Duration(w.Seconds * float64(time.Second))
	load.Run(ctx, time.Now(), load.Arrivals(w.Rate, d, w.Seed), func(i int, intended time.Time) {
		raw := testkit.Message(1<<60 + w.Seed<<32 + uint64(i))
		err := twoRequests(ctx, client, int64(len(raw)), bytes.NewReader(raw))
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
		took = append(took, time.Since(intended).Microseconds())
	})
	if failed != nil {
		return failed
	}
	return json.NewEncoder(say).Encode(took)
}

// pollWork is the bare exchange of an empty poll, by the clock.
type pollWork struct {
	Placed        hosts.Placed
	Rate, Seconds float64
	Seed          uint64
}

// polled is what it cost.
type polled struct {
	Polls int
	CPU   float64 // µs a poll, of this process
}

// pollAlone does what a poll is on the wire, with the same libraries: connect,
// TLS, log in, list, quit. No store, no schedule, no actors.
func pollAlone(ctx context.Context, say io.Writer, order string) error {
	var w pollWork
	if err := json.Unmarshal([]byte(order), &w); err != nil {
		return err
	}
	poll, err := poller(w.Placed)
	if err != nil {
		return err
	}
	for i := range min(50, w.Placed.Mailboxes) { // what is done once is not what a poll costs
		if err := poll(ctx, i); err != nil {
			return err
		}
	}
	before := ownCPU()
	var mu sync.Mutex
	var p polled
	var failed error
	d := time.Duration(w.Seconds * float64(time.Second))
	load.Run(ctx, time.Now(), load.Arrivals(w.Rate, d, w.Seed), func(i int, _ time.Time) {
		err := poll(ctx, i%w.Placed.Mailboxes)
		mu.Lock()
		defer mu.Unlock()
		failed = errors.Join(failed, err)
		p.Polls++
	})
	if failed != nil {
		return failed
	}
	p.CPU = float64((ownCPU() - before).Microseconds()) / float64(max(p.Polls, 1))
	return json.NewEncoder(say).Encode(p)
}

// poller gives the exchange with the i-th mailbox of a fleet.
func poller(p hosts.Placed) (func(context.Context, int) error, error) {
	out, err := dialer(portsOf(p)...)
	if err != nil {
		return nil, err
	}
	secret := vault.NewSecret(hosts.Password)
	open := func(ctx context.Context, i int) (source, error) {
		port := uint16(p.Port(i))
		if p.Protocol == "pop3" {
			return pop3.New(pop3.Config{Host: "127.0.0.1", Port: port, Security: pop3.TLS,
				Username: p.Username(i), Password: secret, Dial: out}).Open(ctx)
		}
		return imap.New(imap.Config{Host: "127.0.0.1", Port: port, Security: imap.TLS,
			Username: p.Username(i), Password: secret, Dial: out}).Open(ctx)
	}
	return func(ctx context.Context, i int) error {
		s, err := open(ctx, i)
		if err != nil {
			return fmt.Errorf("mailbox %d: %w", i, err)
		}
		for _, err := range s.List(ctx) {
			if err != nil {
				return err
			}
		}
		return s.Close(ctx)
	}, nil
}

// ownCPU is the CPU time of this process so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bench: " + err.Error()) // its only argument is right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
