package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
)

type pluginBenchCmd struct {
	File     string        `arg:"" help:"Packed module, or the name of a rule that comes with the program." placeholder:"FILE"`
	Set      []string      `help:"Setting; lists with commas; repeatable." placeholder:"key=value" sep:"none"`
	Messages []string      `name:"message" help:"File with a message to ask about; repeatable; default: 100 made ones." placeholder:"FILE" sep:"none"`
	For      time.Duration `default:"2s" help:"How long." placeholder:"2s"`
	engineFlag
}

// Run asks a rule about the same messages over and over, one after the other.
func (c *pluginBenchCmd) Run(a *app) error {
	if c.For <= 0 || c.For > time.Hour {
		return usageError{errors.New("--for: write a time such as 2s")}
	}
	headers, err := c.headers()
	if err != nil {
		return err
	}
	h, closing, err := c.host(a.ctx)
	if err != nil {
		return err
	}
	defer closing()
	start := time.Now()
	r, err := setUp(a.ctx, h, c.File, c.Set)
	if err != nil {
		return err
	}
	ready := time.Since(start)
	m, err := measure(a.ctx, r, headers, c.For)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	a.printf("start     %.1f ms: gate, compiling, settings\n", ready.Seconds()*1e3)
	a.printf("messages  %.0f a second, one after the other\n", float64(m.n)/m.took.Seconds())
	a.printf("time      %.1f µs at the median, %.1f µs at the 99th percentile\n", micros(m.at(50)), micros(m.at(99)))
	a.printf("fuel      %d at the median, %d at most, of %d\n", m.fuel[len(m.fuel)/2], m.fuel[len(m.fuel)-1], r.Plugin.Manifest.Limits.Fuel)
	return nil
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// headers reads the messages of --message, or makes some: mail of lists and of
// people, from a hundred domains.
func (c *pluginBenchCmd) headers() (all []*mail.Header, err error) {
	for _, file := range c.Messages {
		raw, err := readAtMost(file, mail.MaxHeader-1)
		if err != nil {
			return nil, usageError{err}
		}
		all = append(all, mail.ParseHeader(raw))
	}
	for i := 0; len(c.Messages) == 0 && i < 100; i++ {
		list := ""
		if i%3 == 0 {
			list = fmt.Sprintf("List-Id: List %d <list-%d.example.org>\r\nList-Unsubscribe: <mailto:leave@example.org>\r\nPrecedence: bulk\r\n", i, i)
		}
		all = append(all, mail.ParseHeader(fmt.Appendf(nil, "Received: from a.example by b.example; Thu, 1 Oct 2026 08:00:00 +0000\r\n"+
			"From: =?utf-8?q?S=C3=B6mebody?= <somebody@mail-%d.example.org>\r\nTo: you@example.net\r\nSubject: Message %d of this week\r\n"+
			"Message-ID: <%d@mail-%d.example.org>\r\nDate: Thu, 1 Oct 2026 08:00:00 +0000\r\n%s\r\n", i, i, i, i, list)))
	}
	return all, nil
}

// measured are sorted samples of the last calls, and the fuel of each message.
type measured struct {
	n       int
	took    time.Duration
	samples []time.Duration
	fuel    []int64
}

func (m *measured) at(percent int) time.Duration { return m.samples[len(m.samples)*percent/100] }

const maxSamples = 1 << 20

func measure(ctx context.Context, r *plugins.Rule, headers []*mail.Header, limit time.Duration) (m measured, err error) {
	start := time.Now()
	for last := start; last.Sub(start) < limit || m.n < len(headers); {
		out, err := r.Run(ctx, field.Of(headers[m.n%len(headers)], mail.Ref{Size: 4096}, &field.Mailbox{}))
		if err != nil {
			return m, err
		}
		now := time.Now()
		if len(m.samples) < maxSamples {
			m.samples = append(m.samples, now.Sub(last))
		} else {
			m.samples[m.n%maxSamples] = now.Sub(last)
		}
		if m.n < len(headers) {
			m.fuel = append(m.fuel, out.Fuel)
		}
		m.n, last = m.n+1, now
	}
	m.took = time.Since(start)
	slices.Sort(m.samples)
	slices.Sort(m.fuel)
	return m, nil
}
