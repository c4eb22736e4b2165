package hosts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Client controls the servers of another process.
type Client struct{ URL string }

// CA is the certificate of their authority, as PEM.
func (c Client) CA(ctx context.Context) ([]byte, error) {
	body, err := c.open(ctx, http.MethodGet, "/ca", nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(body)
}

// Place makes fleets, with their backlog in them.
func (c Client) Place(ctx context.Context, fleets []Fleet) (placed []Placed, err error) {
	return placed, c.call(ctx, http.MethodPost, "/fleets", fleets, &placed)
}

// Offer starts the open loop for so long.
func (c Client) Offer(ctx context.Context, d time.Duration, seed uint64) error {
	return c.call(ctx, http.MethodPost, "/load", Order{Seconds: d.Seconds(), Seed: seed}, &State{})
}

// Drop puts one message into each mailbox of a fleet.
func (c Client) Drop(ctx context.Context, fleet string) error {
	return c.call(ctx, http.MethodPost, "/drop", Order{Fleet: fleet}, &State{})
}

// State of the generator.
func (c Client) State(ctx context.Context) (s State, err error) {
	return s, c.call(ctx, http.MethodGet, "/load", nil, &s)
}

// Seen by the servers, by fleet.
func (c Client) Seen(ctx context.Context) (seen map[string]Seen, err error) {
	return seen, c.call(ctx, http.MethodGet, "/seen", nil, &seen)
}

// Forget begins the counts of Seen anew.
func (c Client) Forget(ctx context.Context) error {
	return c.call(ctx, http.MethodPost, "/forget", struct{}{}, &struct{}{})
}

// Deliveries gives every message that was delivered.
func (c Client) Deliveries(ctx context.Context) (all []Delivery, err error) {
	body, err := c.open(ctx, http.MethodGet, "/deliveries", nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	for in := json.NewDecoder(body); ; {
		var d Delivery
		if err := in.Decode(&d); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("hosts: deliveries: %w", err)
		}
		all = append(all, d)
	}
}

func (c Client) call(ctx context.Context, method, path string, in, out any) error {
	body, err := c.open(ctx, method, path, in)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(out); err != nil {
		return fmt.Errorf("hosts: %s: %w", path, err)
	}
	return nil
}

func (c Client) open(ctx context.Context, method, path string, in any) (io.ReadCloser, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.URL+path, body)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("hosts: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		said, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10))
		return nil, fmt.Errorf("hosts: %s: %s", path, bytes.TrimSpace(said))
	}
	return res.Body, nil
}
