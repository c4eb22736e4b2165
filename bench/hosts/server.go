package hosts

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/bench/load"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
)

// Serve is the role: it says where its control is and serves until ctx ends.
func Serve(ctx context.Context, say io.Writer) error {
	s := newServer()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h := &http.Server{Handler: s.routes(), ReadHeaderTimeout: time.Minute}
	fmt.Fprintln(say, "http://"+l.Addr().String())
	context.AfterFunc(ctx, func() { _ = h.Close() })
	if err := h.Serve(l); ctx.Err() == nil {
		return err
	}
	return nil
}

type server struct {
	ca     *testkit.CA
	secure *tls.Config

	mu        sync.Mutex
	fleets    []*fleet
	delivered []Delivery
	running   bool
	late      *load.Histogram
}

func newServer() *server {
	ca := testkit.NewCA()
	return &server{ca: ca, secure: ca.ServerConfig("127.0.0.1"), late: load.NewHistogram()}
}

func (s *server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ca", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(s.ca.PEM()) })
	mux.HandleFunc("POST /fleets", handle(s.place))
	mux.HandleFunc("POST /load", handle(s.offer))
	mux.HandleFunc("GET /load", handle(func(struct{}) (State, error) { return s.state(), nil }))
	mux.HandleFunc("POST /drop", handle(s.drop))
	mux.HandleFunc("GET /seen", handle(s.seen))
	mux.HandleFunc("POST /forget", handle(s.forget))
	mux.HandleFunc("GET /deliveries", s.deliveries)
	return mux
}

// handle makes a handler of a function from JSON to JSON.
func handle[In, Out any](do func(In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		if r.Method == http.MethodPost {
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		out, err := do(in)
		if err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		_ = json.NewEncoder(w).Encode(out)
	}
}

// place makes fleets, with their backlog in them.
func (s *server) place(want []Fleet) (placed []Placed, err error) {
	for _, o := range want {
		if err := o.Check(); err != nil {
			return nil, err
		}
		f, err := place(o, len(s.fleets), s.secure)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.fleets = append(s.fleets, f)
		s.mu.Unlock()
		for range o.Backlog {
			if err := s.put(f, time.Time{}); err != nil {
				return nil, err
			}
		}
		placed = append(placed, f.Placed)
	}
	return placed, nil
}

// put delivers one message into each mailbox of a fleet.
func (s *server) put(f *fleet, intended time.Time) error {
	for i := range f.Mailboxes {
		d, err := f.put(i, intended)
		if err != nil {
			return err
		}
		s.note(d)
	}
	return nil
}

func (s *server) note(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered = append(s.delivered, d)
}

// Order is what is asked of the generator, or of one fleet.
type Order struct {
	Seconds float64 `json:"seconds"`
	Seed    uint64  `json:"seed"`
	Fleet   string  `json:"fleet,omitempty"` // for drop
}

// drop puts one message into each mailbox of a fleet, now.
func (s *server) drop(o Order) (State, error) {
	for _, f := range s.all() {
		if f.Name == o.Fleet {
			if err := s.put(f, time.Now()); err != nil {
				return State{}, err
			}
		}
	}
	return s.state(), nil
}

// offer starts the open loop: each fleet with a rate is delivered to by a
// Poisson process of its own, into mailboxes drawn from the same seed.
func (s *server) offer(o Order) (State, error) {
	s.mu.Lock()
	if s.running {
		s.mu.Unlock()
		return State{}, fmt.Errorf("the generator is running")
	}
	s.running, s.late = true, load.NewHistogram()
	s.mu.Unlock()
	start, d := time.Now(), time.Duration(o.Seconds*float64(time.Second))
	var loops sync.WaitGroup
	for n, f := range s.all() {
		if f.Rate <= 0 {
			continue
		}
		seed := o.Seed + uint64(n)
		loops.Go(func() { s.loop(f, start, d, seed) })
	}
	go func() {
		loops.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.running = false
	}()
	return s.state(), nil
}

func (s *server) loop(f *fleet, start time.Time, d time.Duration, seed uint64) {
	load.Run(context.Background(), start, load.Arrivals(f.Rate, d, seed), func(i int, intended time.Time) {
		box := rand.New(rand.NewPCG(seed, uint64(i))).IntN(f.Mailboxes)
		if delivery, err := f.put(box, intended); err == nil {
			s.note(delivery)
			s.late.Record(time.Since(intended))
		}
	})
}

func (s *server) all() []*fleet {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fleets[:len(s.fleets):len(s.fleets)]
}

func (s *server) state() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	return State{Running: s.running, Delivered: len(s.delivered), LateP99: ms(s.late.Quantile(0.99)), LateMax: ms(s.late.Max())}
}

func (s *server) seen(struct{}) (map[string]Seen, error) {
	out := map[string]Seen{}
	for _, f := range s.all() {
		seen := Seen{Connections: int(f.open.Load()), Accepted: f.arrived.Load()}
		f.polls.report(&seen)
		out[f.Name] = seen
	}
	return out, nil
}

func (s *server) forget(struct{}) (struct{}, error) {
	for _, f := range s.all() {
		f.polls.forget()
		f.arrived.Store(0)
	}
	return struct{}{}, nil
}

// deliveries streams all of them, one a line.
func (s *server) deliveries(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	all := s.delivered[:len(s.delivered):len(s.delivered)]
	s.mu.Unlock()
	out := json.NewEncoder(w)
	for _, d := range all {
		if out.Encode(d) != nil {
			return
		}
	}
}
