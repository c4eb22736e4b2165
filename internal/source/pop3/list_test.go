package pop3_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/pop3"
	"github.com/smtp-sync/smtp-sync/internal/testkit/pop3d"
)

// instead writes a line of its own for message n and the right one for the others.
func instead(n int, line string) func(int, string) string {
	return func(i int, uidl string) string {
		if i == n {
			return line
		}
		return fmt.Sprintf("%d %s", i, uidl)
	}
}

func TestUnusableUniqueIDsAreNone(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		uidl func(int, string) string
		none []int // message numbers without an id
	}{
		"well-formed":       {instead(0, ""), nil},
		"longest allowed":   {instead(2, "2 "+strings.Repeat("~", 70)), nil},
		"too long":          {instead(2, "2 "+strings.Repeat("~", 71)), []int{2}},
		"missing":           {instead(2, "2"), []int{2}},
		"empty":             {instead(2, "2 "), []int{2}},
		"with a space":      {instead(2, "2 a b"), []int{2}},
		"8-bit":             {instead(2, "2 caf\xe9"), []int{2}},
		"NUL":               {instead(2, "2 a\x00b"), []int{2}},
		"twice":             {instead(2, "2 uid-00000001"), []int{1, 2}},
		"the same for all":  {func(n int, _ string) string { return fmt.Sprintf("%d same", n) }, []int{1, 2, 3}},
		"malformed for all": {func(n int, _ string) string { return fmt.Sprint(n) }, []int{1, 2, 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			refs := list(t, start(t, pop3.TLS, pop3d.Faults{UIDL: tc.uidl}, mails(3)...).open(t))
			if len(refs) != 3 {
				t.Fatalf("%d messages, want 3", len(refs))
			}
			for i, ref := range refs {
				if got, want := ref.HasID(), !slices.Contains(tc.none, i+1); got != want || ref.Number != i+1 {
					t.Errorf("message %d: %+v, has id: %v, want %v", i+1, ref, got, want)
				}
			}
		})
	}
}

func TestListingThatContradictsItselfIsRefused(t *testing.T) {
	t.Parallel()
	listLine := func(n int, line string) func(int, int64) string {
		return func(i int, size int64) string { return instead(n, line)(i, fmt.Sprint(size)) }
	}
	for name, f := range map[string]pop3d.Faults{
		"UIDL leaves one out":       {UIDL: instead(2, "")},
		"UIDL shows one twice":      {UIDL: instead(2, "1 other")},
		"UIDL number of nobody":     {UIDL: instead(2, "4 x")},
		"UIDL number 0":             {UIDL: instead(2, "0 x")},
		"UIDL negative number":      {UIDL: instead(2, "-5 x")},
		"UIDL number that wraps":    {UIDL: instead(2, "18446744073709551618 x")},
		"UIDL no number":            {UIDL: instead(2, "x")},
		"LIST leaves one out":       {List: listLine(2, "")},
		"LIST shows one twice":      {List: listLine(2, "3 10")},
		"LIST number of nobody":     {List: listLine(2, "9 10")},
		"STAT counts more":          {Stat: "4 100"},
		"STAT counts fewer":         {Stat: "2 100"},
		"STAT counts below nothing": {Stat: "-1 100"},
		"STAT counts the universe":  {Stat: "2000000000 1"},
		"STAT is no number":         {Stat: "three"},
		"both show nobody":          {UIDL: instead(2, "4 x"), List: listLine(2, "4 10")},
		"both show one twice":       {UIDL: instead(2, "1 x"), List: listLine(2, "1 10")},
		"LIST is refused":           {Replies: map[string]string{"LIST": "-ERR no"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3.TLS, f, mails(3)...).open(t)
			wantFault(t, listErr(t, s), mail.Protocol, "bad_listing")
		})
	}
}

func TestAbsurdCountIsNotEvenListed(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{Stat: "2000001 1"}, mails(1)...)
	wantFault(t, listErr(t, s.open(t)), mail.Protocol, "bad_listing")
	if got := s.Seen("UIDL"); got != 0 {
		t.Errorf("UIDL was sent %d times, want never", got)
	}
}

func TestServerWithoutUIDLListsMessagesWithoutIDs(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{NoUIDL: true}, mails(3)...)
	src := s.open(t)
	for range 2 {
		if refs := list(t, src); len(refs) != 3 || refs[0].HasID() || refs[2].Size == 0 {
			t.Fatalf("got %+v, want 3 messages with sizes and without ids", refs)
		}
	}
	if got := s.Seen("UIDL"); got != 1 {
		t.Errorf("UIDL was tried %d times, want once", got)
	}
}

func TestTemporaryTroubleWithUIDLIsNoLackOfIt(t *testing.T) {
	t.Parallel()
	s := start(t, pop3.TLS, pop3d.Faults{Replies: map[string]string{"UIDL": "-ERR [SYS/TEMP] index is being rebuilt"}}, mails(1)...).open(t)
	wantFault(t, listErr(t, s), mail.Transient, "server_busy")
}

func TestAnnouncedSizesAreHints(t *testing.T) {
	t.Parallel()
	msgs := mails(20)
	for name, line := range map[string]func(int, int64) string{
		"none":     func(n int, _ int64) string { return fmt.Sprint(n) },
		"words":    func(n int, _ int64) string { return fmt.Sprintf("%d big", n) },
		"negative": func(n int, _ int64) string { return fmt.Sprintf("%d -7", n) },
		"absurd":   func(n int, _ int64) string { return fmt.Sprintf("%d 99999999999999999999", n) },
		"5 GB":     func(n int, _ int64) string { return fmt.Sprintf("%d 5000000000 and more", n) },
		"one":      func(n int, _ int64) string { return fmt.Sprintf("%d 1", n) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, pop3.TLS, pop3d.Faults{List: line}, msgs...).open(t)
			refs := list(t, s)
			want := map[string]int64{"5 GB": 5_000_000_000, "one": 1}[name]
			if refs[0].Size != want {
				t.Errorf("size = %d, want %d", refs[0].Size, want)
			}
			wantBodies(t, s, refs, msgs...)
		})
	}
}

func TestNumbersStayAfterDeletionsInTheSession(t *testing.T) {
	t.Parallel()
	msgs := mails(4)
	s := start(t, pop3.TLS, pop3d.Faults{}, msgs...).open(t)
	refs := list(t, s)
	if err := s.Delete(t.Context(), refs[1:3]); err != nil {
		t.Fatal(err)
	}
	again := list(t, s)
	if len(again) != 2 || again[0] != refs[0] || again[1] != refs[3] {
		t.Fatalf("got %+v, want messages 1 and 4", again)
	}
	wantBodies(t, s, again, msgs[0], msgs[3])
}

func TestEndlessListingIsCutOff(t *testing.T) {
	t.Parallel()
	f := pop3d.Faults{UIDL: func(n int, _ string) string {
		return strings.Repeat("1 a\r\n", 2<<20)
	}}
	s := start(t, pop3.TLS, f, mails(1)...).open(t)
	wantFault(t, listErr(t, s), mail.Protocol, "protocol_limit")
}
