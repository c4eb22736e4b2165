package server_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/vault"
)

func secret(s string) vault.Secret { return vault.NewSecret(s) }

type errSecret string

func (e errSecret) Error() string { return string(e) }

// serve runs the service on a socket until the test ends.
func serve(t *testing.T, w *world) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOn(t, w, l)
	return "http://" + l.Addr().String()
}

// serveOn runs the service on a listener until the test ends.
func serveOn(t *testing.T, w *world, l net.Listener) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- w.svc.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("serving ended with %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("serving does not end")
		}
	})
}

var client = &http.Client{Timeout: 10 * time.Second}

func post(t *testing.T, address, body string) answered {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return large(t, r)
}

// large sends what may be too large: then the service answers and closes without
// reading it all, and the client may be told that it cannot write before it has
// read the answer. It tries again.
func large(t *testing.T, r *http.Request) answered {
	t.Helper()
	r.Header.Set("Expect", "100-continue")
	res, err := client.Do(r)
	for range 50 {
		if err == nil {
			break
		}
		if r.Body, err = r.GetBody(); err != nil {
			t.Fatal(err)
		}
		res, err = client.Do(r)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answered{res, b}
}

// fetch reads the whole of an answer.
func fetch(r *http.Request) (string, error) {
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}
