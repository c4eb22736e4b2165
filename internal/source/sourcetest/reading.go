package sourcetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"testing/iotest"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func listComplete(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		seen := map[string]bool{}
		for i, ref := range refs {
			if !ref.HasID() {
				return fmt.Errorf("%v has no id", ref)
			}
			id := string(ref.AppendID(nil))
			if seen[id] {
				return fmt.Errorf("%v shares its id with another", ref)
			}
			seen[id] = true
			if i > 0 && (ref.UID < refs[i-1].UID || ref.Number < refs[i-1].Number) {
				return fmt.Errorf("%v comes after %v", ref, refs[i-1])
			}
			if ref.Size < 0 {
				return fmt.Errorf("%v has size %d", ref, ref.Size)
			}
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

func listEmpty(ctx context.Context, w *world) error {
	return w.session(ctx, func(Source, []mail.Ref) error { return nil })
}

func listTwice(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		again, err := list(ctx, s)
		if err != nil {
			return fmt.Errorf("second: %w", err)
		}
		if err := sameIDs(refs, again); err != nil {
			return err
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

func sameIDs(a, b []mail.Ref) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d messages, then %d", len(a), len(b))
	}
	for i := range a {
		if !bytes.Equal(a[i].AppendID(nil), b[i].AppendID(nil)) {
			return fmt.Errorf("%v was %v before", b[i], a[i])
		}
	}
	return nil
}

func idsStay(ctx context.Context, w *world) error {
	var first []mail.Ref
	err := w.session(ctx, func(_ Source, refs []mail.Ref) error { first = refs; return nil })
	if err != nil {
		return err
	}
	return w.session(ctx, func(_ Source, refs []mail.Ref) error { return sameIDs(first, refs) })
}

func bodiesExact(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

func bodiesExactSingly(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		for i := range refs {
			if err := w.fetchExact(ctx, s, refs[i:i+1], []int{i}); err != nil {
				return err
			}
		}
		return nil
	})
}

func smallReads(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		i := 0
		for in, err := range s.Fetch(ctx, refs) {
			if err != nil {
				return err
			}
			got, err := io.ReadAll(iotest.OneByteReader(in.Body))
			if err != nil {
				return err
			}
			if err := same(got, w.want(i)); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			if n, err := in.Body.Read(make([]byte, 8)); n != 0 || err != io.EOF {
				return fmt.Errorf("read after the end gave %d, %v; want 0, EOF", n, err)
			}
			i++
		}
		return nil
	})
}

func fetchMany(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

func fetchSome(ctx context.Context, w *world) error {
	which := []int{1, 2, 5, 17, 18, 29}
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		return w.fetchExact(ctx, s, pick(refs, which...), which)
	})
}

func fetchNone(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		if err := w.fetchExact(ctx, s, nil, nil); err != nil {
			return err
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

// abandon reads a little of the first, nothing of the second, most of the
// third and all of the fourth.
func abandon(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		take := []int64{10, 0, 2_000, -1}
		i := 0
		for in, err := range s.Fetch(ctx, refs) {
			if err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			want := w.want(i)
			if n := take[i]; n >= 0 {
				want = want[:n]
				in.Body = io.LimitReader(in.Body, n)
			}
			got, err := io.ReadAll(in.Body)
			if err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			if err := same(got, want); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
			i++
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

func stopEarly(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		for _, octets := range []int64{0, 100, 1 << 20} {
			for in, err := range s.Fetch(ctx, refs) {
				if err != nil {
					return err
				}
				if _, err := io.CopyN(io.Discard, in.Body, octets); err != nil && err != io.EOF {
					return err
				}
				break
			}
			if _, err := s.Header(ctx, refs[1]); err != nil {
				return fmt.Errorf("header after a batch stopped at %d octets: %w", octets, err)
			}
		}
		again, err := list(ctx, s)
		if err != nil {
			return err
		}
		if err := sameIDs(refs, again); err != nil {
			return err
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

func headers(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		for i, ref := range refs {
			h, err := s.Header(ctx, ref)
			if err != nil {
				return fmt.Errorf("header of message %d: %w", i, err)
			}
			if err := headerIs(h, w.want(i)); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

// headerIs compares without the blank line that ends the section: Dovecot's
// TOP leaves it out of a message without a body.
func headerIs(h *mail.Header, raw []byte) error {
	want := headerOf(raw)
	if len(want) > mail.MaxHeader {
		if !h.Truncated() {
			return errors.New("a header section beyond the limit is not marked as truncated")
		}
		got := h.Raw()
		if len(got) > mail.MaxHeader || len(got) < mail.MaxHeader/2 {
			return fmt.Errorf("%d octets of a header section beyond the limit were kept", len(got))
		}
		return same(got, raw[:len(got)])
	}
	if h.Truncated() {
		return errors.New("a header section within the limit is marked as truncated")
	}
	return same(bytes.TrimRight(h.Raw(), "\r\n"), bytes.TrimRight(want, "\r\n"))
}

func largeHeader(ctx context.Context, w *world) error {
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		for i := range refs {
			h, err := s.Header(ctx, refs[i])
			if err != nil {
				return err
			}
			if err := headerIs(h, w.want(i)); err != nil {
				return fmt.Errorf("message %d: %w", i, err)
			}
		}
		return w.fetchExact(ctx, s, refs, upTo(len(refs)))
	})
}

func vanished(ctx context.Context, w *world) error {
	const gone = 2
	return w.session(ctx, func(s Source, refs []mail.Ref) error {
		if err := w.box.Remove(gone); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
		i := 0
		for in, err := range s.Fetch(ctx, refs) {
			switch {
			case in == nil:
				return fmt.Errorf("the batch ended at message %d: %w", i, err)
			case i == gone && err == nil:
				n, err := io.Copy(io.Discard, in.Body)
				return fmt.Errorf("the vanished message came without an error: %d octets, then %w", n, cmp.Or(err, io.EOF))
			case i == gone && mail.ClassOf(err) != mail.Undelivered:
				return fmt.Errorf("the vanished message gave %w, want class Undelivered", err)
			case i == gone && string(in.Ref.AppendID(nil)) != string(refs[gone].AppendID(nil)):
				return fmt.Errorf("the vanished message is reported as %v, want %v", in.Ref, refs[gone])
			case i != gone && err != nil:
				return fmt.Errorf("message %d: %w", i, err)
			case i != gone:
				if err := w.bodyIs(in, i); err != nil {
					return fmt.Errorf("message %d: %w", i, err)
				}
			}
			i++
		}
		if i != len(refs) {
			return fmt.Errorf("%d answers, want %d", i, len(refs))
		}
		return nil
	})
}
