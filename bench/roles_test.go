package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/hosts"
	"github.com/smtp-sync/smtp-sync/bench/world"
)

// serving runs a role of this program in this process and gives its first line.
func serving(t *testing.T, role func(context.Context, io.Writer) error) string {
	t.Helper()
	r, w := io.Pipe()
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- role(ctx, w) }()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return strings.TrimSpace(line)
}

// The bare programs do what the product is measured against. Not parallel:
// they find the authority in the environment, as children do.
func TestTheBareProgramsDoWhatTheyStandFor(t *testing.T) {
	h := hosts.Client{URL: serving(t, hosts.Serve)}
	double := world.Double{URL: serving(t, world.ServeDouble)}
	pem, err := h.CA(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roots := filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(roots, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SMTPSYNC_TLS_CA_FILE", roots)
	placed, err := h.Place(t.Context(), []hosts.Fleet{
		{Name: "polled", Protocol: "pop3", Mailboxes: 6, PerHost: 3},
		{Name: "pushed", Protocol: "imap", Mailboxes: 6, PerHost: 3, Rate: 30, Backlog: 1},
	})
	if err != nil {
		t.Fatal(err)
	}
	tokens, err := double.User(t.Context(), "alone@gmail.example")
	if err != nil {
		t.Fatal(err)
	}
	order := func(v any) string {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	for _, p := range placed {
		var out bytes.Buffer
		if err := pollAlone(t.Context(), &out, order(pollWork{Placed: p, Rate: 40, Seconds: 1, Seed: 1})); err != nil {
			t.Fatal(err)
		}
		var got polled
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Polls < 20 || got.CPU < 50 || got.CPU > 1e5 {
			t.Errorf("%s: %+v, %v", p.Protocol, got, err)
		}
	}
	if seen, err := h.Seen(t.Context()); err != nil || seen["polled"].Polls < 26 {
		t.Errorf("the servers have seen %+v, %v", seen, err)
	}

	var out bytes.Buffer
	if err := gmailAlone(t.Context(), &out, order(gmailWork{API: double.URL, Token: tokens.Access, Rate: 40, Seconds: 1, Seed: 1})); err != nil {
		t.Fatal(err)
	}
	var took []int64
	if err := json.Unmarshal(out.Bytes(), &took); err != nil || len(took) < 20 {
		t.Errorf("%d pairs of requests, %v", len(took), err)
	}

	out.Reset()
	var each float64
	if err := bareWait(t.Context(), &out, order(placed[1])); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &each); err != nil {
		t.Error(err)
	}
	pushTest(t, h, double, order(pushWork{Placed: placed, API: double.URL, Token: pushTokens(t, double).Access}))
}

const pushEmail = "pipe@gmail.example"

func pushTokens(t *testing.T, d world.Double) world.Tokens {
	t.Helper()
	tokens, err := d.User(t.Context(), pushEmail)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// pushTest offers a load and expects the pipe over IDLE to carry all of it,
// and nothing of what lay there before.
func pushTest(t *testing.T, h hosts.Client, double world.Double, order string) {
	t.Helper()
	said := serving(t, func(ctx context.Context, w io.Writer) error { return pushPipe(ctx, w, order) })
	if said != "parked" {
		t.Fatalf("it says %q", said)
	}
	if err := h.Offer(t.Context(), time.Second, 1); err != nil {
		t.Fatal(err)
	}
	end := time.Now().Add(10 * time.Second)
	for {
		s, err := h.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		stored, err := double.Messages(t.Context(), pushEmail)
		if err != nil {
			t.Fatal(err)
		}
		if want := s.Delivered - 6; !s.Running && len(stored) == want && want > 10 {
			return
		} else if time.Now().After(end) {
			t.Fatalf("%d of %d messages came through the pipe", len(stored), want)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
