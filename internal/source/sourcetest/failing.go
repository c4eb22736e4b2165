package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func wrongPassword(ctx context.Context, w *world) error {
	const wrong = "not-the-password-7f3c"
	s, err := w.box.Dial(ctx, w.addr, wrong)
	if err == nil {
		return errors.Join(errors.New("login with a wrong password succeeded"), s.Close(ctx))
	}
	f, bad := fault(err)
	if bad != nil {
		return bad
	}
	if f.Class != mail.Login || f.Code != "auth_failed" {
		return fmt.Errorf("class %v, code %q; want Login, auth_failed", f.Class, f.Code)
	}
	if strings.Contains(fmt.Sprintf("%+v %v", f, f.Err), wrong) {
		return errors.New("the password is in the error")
	}
	return nil
}

func closedPort(ctx context.Context, w *world) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	l.Close()
	s, err := w.box.Dial(ctx, l.Addr().String(), w.box.Password)
	if err == nil {
		return errors.Join(errors.New("dial of a closed port succeeded"), s.Close(ctx))
	}
	f, bad := fault(err)
	if bad != nil {
		return bad
	}
	if f.Class != mail.Transient {
		return fmt.Errorf("class %v (%v), want Transient", f.Class, f)
	}
	return nil
}

// prompt is how soon a cancelled call must return.
const prompt = 2 * time.Second

// endsPromptly runs f, cancels its context after a moment and waits for it.
func endsPromptly(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		return fmt.Errorf("ended before it was cancelled: %w", err)
	case <-time.After(100 * time.Millisecond): // it is blocked by now, or about to be
	}
	cancel()
	select {
	case err := <-done:
		if err == nil {
			return errors.New("a cancelled call reports success")
		}
		return nil
	case <-time.After(prompt):
		return fmt.Errorf("still blocked %v after the context was cancelled", prompt)
	}
}

// closesPromptly closes a session whose server is silent or gone.
func closesPromptly(ctx context.Context, s Source) error {
	ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	go func() {
		_ = s.Close(ctx)
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(500*time.Millisecond + prompt):
		return fmt.Errorf("close still blocked %v after its context ended", prompt)
	}
}

func cancelFetch(ctx context.Context, w *world) error {
	s, err := w.dial(ctx)
	if err != nil {
		return err
	}
	refs, err := list(ctx, s)
	if err != nil {
		return errors.Join(err, closesPromptly(ctx, s))
	}
	w.proxy.freezeAfter(100_000)
	err = endsPromptly(ctx, func(ctx context.Context) error {
		for in, err := range s.Fetch(ctx, refs) {
			if err != nil {
				return err
			}
			if _, err := io.Copy(io.Discard, in.Body); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, closesPromptly(ctx, s))
}

func cancelList(ctx context.Context, w *world) error {
	s, err := w.dial(ctx)
	if err != nil {
		return err
	}
	w.proxy.freezeAfter(0)
	err = endsPromptly(ctx, func(ctx context.Context) error {
		_, err := list(ctx, s)
		return err
	})
	return errors.Join(err, closesPromptly(ctx, s))
}

func cancelDial(ctx context.Context, w *world) error {
	w.proxy.freezeAfter(0)
	return endsPromptly(ctx, func(ctx context.Context) error {
		s, err := w.box.Dial(ctx, w.addr, w.box.Password)
		if err == nil {
			return s.Close(ctx)
		}
		return err
	})
}

func closeDead(ctx context.Context, w *world) error {
	s, err := w.dial(ctx)
	if err != nil {
		return err
	}
	if _, err := list(ctx, s); err != nil {
		return errors.Join(err, closesPromptly(ctx, s))
	}
	w.proxy.freezeAfter(0)
	return closesPromptly(ctx, s)
}
