package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func deletes(ctx context.Context, w *world) error {
	gone := []int{1, 4, 5}
	err := w.session(ctx, func(s Source, refs []mail.Ref) error {
		if err := w.fetchExact(ctx, s, refs, upTo(len(refs))); err != nil {
			return err
		}
		return s.Delete(ctx, pick(refs, gone...))
	})
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(upTo(len(w.sent)), func(i int) bool { return slices.Contains(gone, i) })
	return w.remainingAre(ctx, left)
}

func readsOnly(ctx context.Context, w *world) error {
	err := w.session(ctx, func(s Source, refs []mail.Ref) error {
		if _, err := s.Header(ctx, refs[0]); err != nil {
			return err
		}
		if err := s.Delete(ctx, nil); err != nil {
			return fmt.Errorf("delete of nothing: %w", err)
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
	if err != nil {
		return err
	}
	return w.remainingAre(ctx, upTo(len(w.sent)))
}

// seenAre checks which messages a new session shows as seen.
func (w *world) seenAre(ctx context.Context, which ...int) error {
	return w.session(ctx, func(_ Source, refs []mail.Ref) error {
		for i, ref := range refs {
			if ref.Seen != slices.Contains(which, i) {
				return fmt.Errorf("message %d: seen is %v", i, ref.Seen)
			}
		}
		return nil
	})
}

func staysUnseen(ctx context.Context, w *world) error {
	err := w.session(ctx, func(s Source, refs []mail.Ref) error {
		if _, err := s.Header(ctx, refs[0]); err != nil {
			return err
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
	if err != nil {
		return err
	}
	return w.seenAre(ctx)
}

func marksSeen(ctx context.Context, w *world) error {
	err := w.session(ctx, func(s Source, refs []mail.Ref) error {
		if err := s.MarkSeen(ctx, nil); err != nil {
			return fmt.Errorf("marking nothing: %w", err)
		}
		return s.MarkSeen(ctx, pick(refs, 0, 3))
	})
	if err != nil {
		return err
	}
	return w.seenAre(ctx, 0, 3)
}

func cutBeforeClose(ctx context.Context, w *world) error {
	s, err := w.dial(ctx)
	if err != nil {
		return err
	}
	refs, err := list(ctx, s)
	if err == nil {
		err = s.Delete(ctx, pick(refs, 0, 2))
	}
	if err != nil {
		return errors.Join(err, s.Close(ctx))
	}
	w.proxy.cut()
	if err := s.Close(ctx); err == nil {
		return errors.New("close reports success although the line was cut before")
	} else if _, err := fault(err); err != nil {
		return err
	}
	return w.remainingAre(ctx, upTo(len(w.sent)))
}

func cutBody(ctx context.Context, w *world) error {
	s, err := w.dial(ctx)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	refs, err := list(ctx, s)
	if err != nil {
		return err
	}
	w.proxy.cutAfter(100_000)
	for in, err := range s.Fetch(ctx, refs) {
		if in == nil {
			_, err := fault(err)
			return err
		}
		if err != nil {
			return fmt.Errorf("fetch: %w, want an error from the body or the end of the batch", err)
		}
		n, err := io.Copy(io.Discard, in.Body)
		if err == nil {
			return fmt.Errorf("a body cut after %d octets ended as if it were complete", n)
		}
		if f, ok := mail.AsFault(err); ok && f.Class != mail.Transient {
			return fmt.Errorf("a cut line is class %v (%w), want Transient", f.Class, err)
		} else if !ok && !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("a cut line gave %w, want a *mail.Fault or io.ErrUnexpectedEOF", err)
		}
	}
	return nil
}
