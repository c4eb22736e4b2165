package pop3_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

var (
	_ bridge.Digester = (*pop3.Source)(nil)
	_ bridge.Delayer  = (*pop3.Source)(nil)
)

func digest(t testing.TB, s *pop3.Source) (string, bool) {
	t.Helper()
	var b bytes.Buffer
	ok, err := s.Digest(t.Context(), &b)
	if err != nil {
		t.Fatalf("digest: %v", err)
	}
	return b.String(), ok
}

func (s *server) asked(t testing.TB, uidl, list int) {
	t.Helper()
	if u, l := s.Seen("UIDL"), s.Seen("LIST"); u != uidl || l != list {
		t.Errorf("UIDL was sent %d times, LIST %d times; want %d and %d", u, l, uidl, list)
	}
}

func TestListAfterDigestAsksForNothing(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{}, mails(3)...)
	want := list(t, s.open(t))
	s.asked(t, 1, 1)
	s = start(t, pop3.TLS, pop3d.Faults{}, mails(3)...)
	src := s.open(t)
	first, _ := digest(t, src)
	if got := list(t, src); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	s.asked(t, 1, 1)
	if again, ok := digest(t, src); !ok || again != first {
		t.Error("the digest of an unchanged listing is another one")
	}
}

func TestADeletionDropsTheListingThatWasDigested(t *testing.T) {
	t.Parallel()
	src := start(t, pop3.TLS, pop3d.Faults{}, mails(3)...).open(t)
	refs := list(t, src)
	if _, ok := digest(t, src); !ok {
		t.Fatal("no digest")
	}
	if err := src.Delete(t.Context(), refs[1:2]); err != nil {
		t.Fatal(err)
	}
	if got := list(t, src); len(got) != 2 {
		t.Errorf("%d messages, want 2", len(got))
	}
}

func TestADigestIsOfUniqueIDsAndSizes(t *testing.T) {
	t.Parallel()
	base := func(*pop3d.Memory) {}
	seen := map[string]string{}
	for name, change := range map[string]func(*pop3d.Memory){
		"as it was":      base,
		"one more":       func(m *pop3d.Memory) { m.Add(mails(4)[3]) },
		"one less":       func(m *pop3d.Memory) { m.Remove(2) },
		"the first gone": func(m *pop3d.Memory) { m.Remove(0) },
		"another size":   func(m *pop3d.Memory) { m.Replace("uid-00000002", sized(5000)) },
		"another id":     func(m *pop3d.Memory) { m.Remove(2); m.AddUIDL("other", mails(3)[2]) },
		"none":           func(m *pop3d.Memory) { m.Remove(0); m.Remove(0); m.Remove(0) },
	} {
		s := start(t, pop3.TLS, pop3d.Faults{}, mails(3)...)
		change(s.drop)
		d, ok := digest(t, s.open(t))
		if !ok || seen[d] != "" {
			t.Errorf("%s: ok %v, the same as %q", name, ok, seen[d])
		}
		seen[d] = name
	}
}

func TestALongListingIsDigestedWhole(t *testing.T) {
	t.Parallel()
	const n = 500 // several buffers full
	for _, last := range []string{"last", "tsal"} {
		s := start(t, pop3.TLS, pop3d.Faults{UIDL: func(i int, uidl string) string {
			if i == n {
				uidl = last
			}
			return fmt.Sprintf("%d %s", i, uidl)
		}}, mails(n)...)
		d, ok := digest(t, s.open(t))
		if !ok || bytes.Count([]byte(d), []byte("uid-")) != n-1 || !bytes.Contains([]byte(d), []byte(last)) {
			t.Errorf("ok %v, %d octets", ok, len(d))
		}
	}
}

func TestMessagesWithoutIDsHaveNoDigest(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]pop3d.Faults{
		"no UIDL":   {NoUIDL: true},
		"malformed": {UIDL: instead(2, "2")},
		"twice":     {UIDL: instead(2, "2 uid-00000001")},
	} {
		src := start(t, pop3.TLS, f, mails(3)...).open(t)
		if _, ok := digest(t, src); ok {
			t.Errorf("%s: there is a digest", name)
		}
		if refs := list(t, src); len(refs) != 3 {
			t.Errorf("%s: %d messages, want 3", name, len(refs))
		}
	}
}

func TestAListingThatContradictsItselfHasNoDigest(t *testing.T) {
	t.Parallel()
	src := start(t, pop3.TLS, pop3d.Faults{UIDL: instead(2, "")}, mails(3)...).open(t)
	var b bytes.Buffer
	ok, err := src.Digest(t.Context(), &b)
	if ok {
		t.Error("there is a digest")
	}
	wantFault(t, err, mail.Protocol, "bad_listing")
	wantFault(t, listErr(t, src), mail.Protocol, "bad_listing")
}

func TestADigestThatCannotBeWrittenIsNone(t *testing.T) {
	t.Parallel()
	src := start(t, pop3.TLS, pop3d.Faults{}, mails(3)...).open(t)
	if ok, err := src.Digest(t.Context(), full{}); ok || !errors.Is(err, errFull) {
		t.Errorf("got %v, %v", ok, err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }
