package actors

import (
	"context"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// shared is the Account of a user at work: opened by the first pass that needs
// it, used by all, closed when there has been none for a while. Passes wait in
// their own goroutines; the user actor never does.
type shared struct {
	*tree
	user id.User

	mu       sync.Mutex
	account  Account
	opening  chan struct{} // closed when it is open, or not
	ended    *mail.Fault   // the grant is gone: nobody gets in any more
	using    int
	retired  bool // closed as soon as nobody uses it
	replaced bool // the user has connected Google again since
	idle     *time.Timer
}

// get opens the account, unless it is open. put must follow, unless it fails.
func (s *shared) get(ctx context.Context) (Account, error) {
	for {
		s.mu.Lock()
		switch {
		case s.ended != nil:
			defer s.mu.Unlock()
			return nil, s.ended
		case s.account != nil:
			defer s.mu.Unlock()
			s.using++
			return s.account, nil
		case s.opening == nil:
			s.opening = make(chan struct{})
			s.mu.Unlock()
			if err := s.open(ctx); err != nil {
				return nil, err
			}
		default:
			opening := s.opening
			s.mu.Unlock()
			select {
			case <-opening:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
}

// open is run by one goroutine at a time. It may panic.
func (s *shared) open(ctx context.Context) (err error) {
	var a Account
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.account = a
		close(s.opening)
		s.opening = nil
	}()
	a, err = s.opts.Accounts.Open(ctx, s.user)
	return err
}

func (s *shared) put() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.using--; s.using > 0 {
		return
	}
	if s.retired {
		s.closeLocked()
		return
	}
	if s.idle == nil {
		s.idle = time.AfterFunc(s.opts.Limits.Linger, s.expire)
	} else {
		s.idle.Reset(s.opts.Limits.Linger)
	}
}

// expire closes an account that nobody has used for a while.
func (s *shared) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.using == 0 {
		s.idle = nil
		s.closeLocked()
	}
}

// retire closes the account for good, when its last pass has ended.
func (s *shared) retire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	if s.idle != nil {
		s.idle.Stop()
	}
	if s.using == 0 {
		s.closeLocked()
	}
}

// replace retires the account for one with another grant.
func (s *shared) replace() {
	s.mu.Lock()
	s.replaced = true
	s.mu.Unlock()
	s.retire()
}

func (s *shared) isReplaced() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replaced
}

// end lets nobody in any more.
func (s *shared) end(f *mail.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = f
}

func (s *shared) closeLocked() {
	if a := s.account; a != nil {
		s.account = nil
		s.task(func(context.Context) { a.Close() })
	}
}
