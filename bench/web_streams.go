package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/report"
	"github.com/smtp-sync/smtp-sync/bench/world"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// beatWithin is what an event stream promises: something comes that often.
const beatWithin = 16 * time.Second

// webStreams measures what open event streams cost: the resident memory at
// rest with them, without those before.
func (r *run) webStreams(ctx context.Context, _ *world.World, p *world.Serve, tokens []vault.Secret) error {
	r.say("at rest, without event streams")
	if err := pause(ctx, r.settle()); err != nil {
		return err
	}
	without, err := world.Look(p.PID)
	if err != nil {
		return err
	}
	r.say("%d event streams", r.Web.Streams)
	s, err := listenAll(ctx, p.Web, tokens[:r.Web.Streams])
	defer s.leave()
	if err != nil {
		return err
	}
	if err := pause(ctx, 2*beatWithin); err != nil {
		return err
	}
	soon, err := world.Look(p.PID)
	if err != nil {
		return err
	}
	if err := pause(ctx, r.settle()); err != nil {
		return err
	}
	with, err := world.Look(p.PID)
	if err != nil {
		return err
	}
	beating := s.beating()
	each := (with.RSS - without.RSS) / float64(r.Web.Streams)
	r.result.Add(
		report.Figure{Name: "event streams open, with a beat within 16 s", Value: float64(beating), Beside: "opened", BesideValue: float64(r.Web.Streams)},
		report.Figure{Name: "resident memory of the event streams", Value: (with.RSS - without.RSS) / (1 << 20), Unit: "MB", Beside: "of the process without them", BesideValue: without.RSS / (1 << 20)},
		report.Figure{Name: "resident memory of the event streams, half a minute after they were opened", Value: (soon.RSS - without.RSS) / (1 << 20), Unit: "MB"},
		report.Figure{Name: "resident memory an event stream", Value: each / 1024, Unit: "KB"},
		report.Figure{Name: "CPU while nothing but beats is sent", Value: 100 * (with.CPU - soon.CPU).Seconds() / with.At.Sub(soon.At).Seconds(), Unit: "% of a core"})
	return nil
}

// listeners are event streams that are open.
type listeners struct {
	conns []net.Conn
	last  []atomic.Int64 // when something came, Unix ms
	all   sync.WaitGroup
}

// listenAll opens an event stream for each token; what could be opened is given
// with an error too.
func listenAll(ctx context.Context, at string, tokens []vault.Secret) (*listeners, error) {
	s := &listeners{last: make([]atomic.Int64, len(tokens))}
	for i, request := range asking("/api/v1/events", tokens...) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", at)
		if err != nil {
			return s, err
		}
		s.conns = append(s.conns, c)
		if _, err := c.Write(request); err != nil {
			return s, err
		}
		in := bufio.NewReaderSize(c, 1<<10)
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, " 200 ") {
			return s, errors.Join(fmt.Errorf("an event stream begins with %q", line), err)
		}
		s.all.Go(func() {
			for {
				if _, err := in.ReadSlice('\n'); err != nil && !errors.Is(err, bufio.ErrBufferFull) {
					s.last[i].Store(0)
					return
				}
				s.last[i].Store(time.Now().UnixMilli())
			}
		})
	}
	return s, nil
}

// beating counts those on which something came lately.
func (s *listeners) beating() (n int) {
	since := time.Now().Add(-beatWithin).UnixMilli()
	for i := range s.last {
		if s.last[i].Load() >= since {
			n++
		}
	}
	return n
}

func (s *listeners) leave() {
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.all.Wait()
}

var assetLink = regexp.MustCompile(`/assets/[\w.-]+\.css`)

// anAsset gives the path of a file, as the first page names it.
func anAsset(ctx context.Context, at string) (string, error) {
	page, err := answerTo(ctx, at, []byte("GET /privacy HTTP/1.1\r\nHost: bench.example\r\nAccept: text/html\r\n\r\n"))
	if err != nil {
		return "", err
	}
	path := assetLink.Find(page)
	if path == nil {
		return "", io.ErrUnexpectedEOF
	}
	return string(path), nil
}
