package sourcetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/smtp-sync/smtp-sync/internal/mail"
)

// world is what a case works on.
type world struct {
	h     Harness
	box   Mailbox
	addr  string
	proxy *proxy
	sent  [][]byte
}

// want gives the octets of the i-th message as they must arrive.
func (w *world) want(i int) []byte {
	if w.h.Form == nil {
		return w.sent[i]
	}
	return w.h.Form(w.sent[i])
}

func (w *world) dial(ctx context.Context) (Source, error) {
	s, err := w.box.Dial(ctx, w.addr, w.box.Password)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	return s, nil
}

// session opens a session, lists, runs f and closes.
func (w *world) session(ctx context.Context, f func(Source, []mail.Ref) error) error {
	s, err := w.dial(ctx)
	if err != nil {
		return err
	}
	refs, err := list(ctx, s)
	if err == nil && len(refs) != len(w.sent) {
		err = fmt.Errorf("%d messages listed, want %d", len(refs), len(w.sent))
	}
	if err == nil {
		err = f(s, refs)
	}
	if cerr := s.Close(ctx); cerr != nil && err == nil {
		err = fmt.Errorf("close: %w", cerr)
	}
	return err
}

func list(ctx context.Context, s Source) ([]mail.Ref, error) {
	var refs []mail.Ref
	for ref, err := range s.List(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list: %w", err)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// fetchExact fetches refs and compares every body with the message whose
// index is in which.
func (w *world) fetchExact(ctx context.Context, s Source, refs []mail.Ref, which []int) error {
	n := 0
	for in, err := range s.Fetch(ctx, refs) {
		if err != nil {
			return fmt.Errorf("fetch of message %d: %w", n, err)
		}
		if n >= len(which) {
			return errors.New("more messages came than were asked for")
		}
		if string(in.Ref.AppendID(nil)) != string(refs[n].AppendID(nil)) {
			return fmt.Errorf("answer %d is for %v, want %v", n, in.Ref, refs[n])
		}
		if err := w.bodyIs(in, which[n]); err != nil {
			return fmt.Errorf("%v: %w", refs[n], err)
		}
		n++
	}
	if n != len(which) {
		return fmt.Errorf("%d messages came, want %d", n, len(which))
	}
	return nil
}

func (w *world) bodyIs(in *mail.Incoming, i int) error {
	got, err := io.ReadAll(in.Body)
	if err != nil {
		return fmt.Errorf("body after %d octets: %w", len(got), err)
	}
	want := w.want(i)
	if in.Size >= 0 && in.Size != int64(len(want)) {
		return fmt.Errorf("size given as exact is %d, want %d", in.Size, len(want))
	}
	return same(got, want)
}

// same compares octets and names the first difference, not the mail.
func same(got, want []byte) error {
	if bytes.Equal(got, want) {
		return nil
	}
	at := 0
	for at < min(len(got), len(want)) && got[at] == want[at] {
		at++
	}
	near := func(b []byte) []byte { return b[max(0, at-20):min(len(b), at+20)] }
	return fmt.Errorf("%d octets, want %d; they differ from octet %d on: got …%q, want …%q",
		len(got), len(want), at, near(got), near(want))
}

// remaining gives the hashes of what is in the mailbox now, and how often.
func (w *world) remaining(ctx context.Context) (map[[32]byte]int, error) {
	got := map[[32]byte]int{}
	if w.box.Messages != nil {
		all, err := w.box.Messages()
		for _, m := range all {
			if w.h.Form != nil {
				m = w.h.Form(m)
			}
			got[sha256.Sum256(m)]++
		}
		return got, err
	}
	s, err := w.box.Dial(ctx, w.box.Addr, w.box.Password)
	if err != nil {
		return nil, fmt.Errorf("second session: %w", err)
	}
	defer s.Close(ctx)
	refs, err := list(ctx, s)
	if err != nil {
		return nil, err
	}
	for in, err := range s.Fetch(ctx, refs) {
		if err != nil {
			return nil, fmt.Errorf("second session: %w", err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, in.Body); err != nil {
			return nil, fmt.Errorf("second session: %w", err)
		}
		got[[32]byte(h.Sum(nil))]++
	}
	return got, nil
}

// remainingAre checks that exactly the messages with these indexes are left.
func (w *world) remainingAre(ctx context.Context, which []int) error {
	got, err := w.remaining(ctx)
	if err != nil {
		return err
	}
	want := map[[32]byte]int{}
	for _, i := range which {
		want[sha256.Sum256(w.want(i))]++
	}
	for i := range w.sent {
		sum := sha256.Sum256(w.want(i))
		if got[sum] != want[sum] {
			return fmt.Errorf("message %d is in the mailbox %d times, want %d", i, got[sum], want[sum])
		}
	}
	total := 0
	for _, n := range got {
		total += n
	}
	if total != len(which) {
		return fmt.Errorf("%d messages are in the mailbox, want %d", total, len(which))
	}
	return nil
}

// upTo gives 0…n-1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// pick gives the refs at these indexes.
func pick(refs []mail.Ref, which ...int) (out []mail.Ref) {
	for _, i := range which {
		out = append(out, refs[i])
	}
	return out
}

// fault checks that err is a Fault a user may read.
func fault(err error) (*mail.Fault, error) {
	f, ok := mail.AsFault(err)
	if !ok {
		return nil, fmt.Errorf("error is %T (%v), want a *mail.Fault", err, err)
	}
	if f.Code == "" || f.Text == "" || bytes.ContainsAny([]byte(f.Error()), "\r\n\x00") {
		return nil, fmt.Errorf("fault %q (code %q) is not one line with a code", f.Error(), f.Code)
	}
	return f, nil
}
