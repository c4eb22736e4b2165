package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// session is one open connection to the source and what was fetched over it.
type session struct {
	Source
	locks   bool // nobody else gets at the mailbox meanwhile (POP3)
	opened  time.Time
	until   time.Time      // it waits no longer for uploads; zero: it has not begun to wait
	workers sync.WaitGroup // messages read from it and not ended

	mu      sync.Mutex
	flying  int          // the number of workers
	done    []*known     // in Gmail now, fetched in this session: the policy may be carried out
	count   int          // deletions asked for
	deleted []ledger.Key // of messages without id: gone when Close says so
	removed []mail.Key   // ids of the others: gone then at the latest
}

func (r *run) open(ctx context.Context) (*session, error) {
	src, err := r.Dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	if d, ok := src.(Delayer); ok {
		r.mu.Lock()
		r.delay = max(r.delay, d.LoginDelay())
		r.mu.Unlock()
	}
	return &session{Source: src, locks: r.exclusive(), opened: time.Now()}, nil
}

// old reports that the session, or its listing, has lasted long enough.
func (s *session) old() bool {
	if s.locks {
		return time.Since(s.opened) > maxSession
	}
	return time.Since(s.opened) > maxListing
}

// patience is how long one wait may last with the session open; 0: as long as
// it takes.
func (s *session) patience() time.Duration {
	if !s.locks {
		return 0
	}
	return max(linger, maxSession-time.Since(s.opened))
}

func (s *session) takeOff() {
	s.mu.Lock()
	s.flying++
	s.mu.Unlock()
}

func (s *session) land() {
	s.mu.Lock()
	s.flying--
	s.mu.Unlock()
}

// idle waits for the messages on their way. A maildrop is not kept locked for
// ever: false means that the patience has run out, and the session must end.
func (s *session) idle() bool {
	if !s.locks {
		s.workers.Wait()
		return true
	}
	s.mu.Lock()
	flying := s.flying
	s.mu.Unlock()
	if flying == 0 {
		return true
	}
	if s.until.IsZero() {
		s.until = time.Now().Add(s.patience())
	}
	landed := make(chan struct{})
	go func() { s.workers.Wait(); close(landed) }()
	left := max(time.Until(s.until), 1)
	return await(context.Background(), landed, func() time.Duration { return left }) == nil
}

// room is how many messages the next batch may have. A POP3 session risks no
// more deletions than its share, and what is on its way may become one.
func (r *run) room(s *session) int {
	if !s.locks || r.AfterImport != Delete {
		return batchMessages
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return min(batchMessages, maxDeletes-s.count-len(s.done)-s.flying)
}

// leave carries out what is due in the session and ends it. Of several errors
// the first says why. It returns when every message of the session has ended;
// a maildrop is free before that.
func (r *run) leave(ctx context.Context, s *session, err error) error {
	if !s.locks || r.AfterImport == Delete {
		s.idle()
	}
	if cause := context.Cause(ctx); cause != nil {
		err = cause // what was cut short by it says less
	}
	if r.sound(ctx, err) {
		if e := r.dispose(ctx, s); e != nil {
			err = e
		}
	}
	if e := r.close(ctx, s); err == nil {
		err = e
	}
	s.workers.Wait()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	r.refund(ctx)
	return err
}

// abandon ends a session from which a panic is on its way up: its messages end
// first, and the connection is freed.
func (r *run) abandon(ctx context.Context, s *session) {
	s.workers.Wait()
	_ = r.close(ctx, s)
}

// sound reports an end that leaves the session good for the source policy.
func (r *run) sound(ctx context.Context, err error) bool {
	return err == nil || errors.As(err, new(again)) || ctx.Err() == nil && mail.ClassOf(err) == mail.RateLimited
}

// close ends the session. What was deleted in it is gone only now.
func (r *run) close(ctx context.Context, s *session) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := r.at(StepClose, func() error { return s.Close(ctx) }); err != nil {
		return err
	}
	r.mu.Lock()
	for _, id := range s.removed {
		r.removed[id] = true
	}
	r.mu.Unlock()
	return r.departed(ctx, s.deleted)
}

// departed notes that messages without id have left the source, whose like may
// come any time: the note is worth some tries.
func (r *run) departed(ctx context.Context, keys []ledger.Key) error {
	for try := 0; ; try++ {
		err := r.gone(ctx, keys)
		if err == nil || try >= maxTries || !retryable(err) || backOff(ctx, try) != nil {
			return err
		}
	}
}
