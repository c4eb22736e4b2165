package imap_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/internal/source/imap"
	"github.com/smtp-sync/smtp-sync/internal/testkit/imapd"
)

func names(refs []mail.Ref) (out []string) {
	for _, r := range refs {
		out = append(out, fmt.Sprintf("%s/%d", r.Folder, r.UID))
	}
	return out
}

func TestFoldersAreListedOneAfterTheOtherUnderTheirOwnNames(t *testing.T) {
	t.Parallel()
	_, box, addr := serve(t, imap.TLS, imapd.Options{})
	for _, folder := range []string{"Entwürfe & Co", "日本語"} {
		box.AddFolder(folder)
		box.Deliver(folder, []byte("in "+folder))
	}
	box.Deliver("INBOX", []byte("first"))
	box.Deliver("INBOX", []byte("second"))
	cfg := config(t, addr, imap.TLS)
	cfg.Folders = []string{"日本語", "inbox", "Entwürfe & Co", "INBOX"}
	src := open(t, cfg)
	refs := list(t, src)
	if got, want := names(refs), []string{"日本語/1", "INBOX/1", "INBOX/2", "Entwürfe & Co/1"}; !slices.Equal(got, want) {
		t.Fatalf("listed %q, want %q", got, want)
	}
	for _, i := range []int{0, 3, 1} { // any folder may be asked for again
		got, err := take(t.Context(), src, refs[i:i+1])
		if err != nil || len(got) != 1 {
			t.Errorf("%s: got %q, %v", refs[i].Folder, got, err)
		}
	}
}

func TestFolderNamesAreSentInModifiedUTF7(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Caps: "IMAP4rev1 IMAP4rev2 AUTH=PLAIN SASL-IR"}
	cfg := config(t, script(t, s), imap.TLS)
	cfg.Folders = []string{"Entwürfe"}
	list(t, open(t, cfg))
	if !slices.Contains(s.Log(), `SELECT "Entw&APw-rfe"`) {
		t.Errorf("log %q, want RFC 3501 5.1.3 encoding even where IMAP4rev2 is offered", s.Log())
	}
}

func TestMissingFolderIsNamed(t *testing.T) {
	t.Parallel()
	_, _, addr := serve(t, imap.TLS, imapd.Options{})
	cfg := config(t, addr, imap.TLS)
	cfg.Folders = []string{"INBOX", "Reisen"}
	_, err := tryList(t.Context(), open(t, cfg))
	if f := fault(t, err); f.Class != mail.Setup || f.Code != "folder_missing" || !strings.Contains(f.Text, `"Reisen"`) {
		t.Errorf("got %v (code %s), want folder_missing with the name", f, f.Code)
	}
}

func TestRenumberedFolderIsNoticedBeforeAnythingIsDone(t *testing.T) {
	t.Parallel()
	srv, box, addr := serve(t, imap.TLS, imapd.Options{})
	box.Deliver("INBOX", []byte("one"))
	old := list(t, open(t, config(t, addr, imap.TLS)))
	box.Renumber("INBOX")
	src := open(t, config(t, addr, imap.TLS))
	_, err := take(t.Context(), src, old)
	errs := map[string]error{
		"fetch": err, "delete": src.Delete(t.Context(), old), "seen": src.MarkSeen(t.Context(), old),
	}
	_, errs["header"] = src.Header(t.Context(), old[0])
	for what, err := range errs {
		if f := fault(t, err); f.Class != mail.Protocol || f.Code != "uidvalidity_changed" {
			t.Errorf("%s: got %v, want uidvalidity_changed", what, f)
		}
	}
	if n := srv.Seen("STORE"); n > 0 {
		t.Errorf("%d STOREs", n)
	}
	if refs := list(t, src); len(refs) != 1 || refs[0].Validity == old[0].Validity {
		t.Errorf("listed again: %+v, want another UIDVALIDITY than %d", refs, old[0].Validity)
	}
}

func TestMessagesTheirOwnerDeletedAreLeftAlone(t *testing.T) {
	t.Parallel()
	srv, box, addr := serve(t, imap.TLS, imapd.Options{})
	for i := range 4 {
		box.Deliver("INBOX", fmt.Appendf(nil, "message %d", i))
	}
	box.SetFlag("INBOX", 2, `\Deleted`)
	src := open(t, config(t, addr, imap.TLS))
	refs := list(t, src)
	if got, want := names(refs), []string{"INBOX/1", "INBOX/3", "INBOX/4"}; !slices.Equal(got, want) {
		t.Fatalf("listed %q, want %q", got, want)
	}
	if err := src.Delete(t.Context(), refs[1:]); err != nil {
		t.Fatal(err)
	}
	if err := src.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := box.UIDs("INBOX"), []uint32{1, 2}; !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	if n := srv.Seen("EXPUNGE"); n > 0 {
		t.Errorf("%d plain EXPUNGEs or CLOSEs", n)
	}
}

func TestDeleteOnlyFlagsWhereTheServerLacksUIDPLUS(t *testing.T) {
	t.Parallel()
	srv, box, addr := serve(t, imap.TLS, imapd.Options{Without: []string{"UIDPLUS"}})
	box.Deliver("INBOX", []byte("one"))
	box.Deliver("INBOX", []byte("two"))
	src := open(t, config(t, addr, imap.TLS))
	refs := list(t, src)
	if err := src.Delete(t.Context(), refs[:1]); err != nil {
		t.Fatal(err)
	}
	_ = src.Close(t.Context())
	if got := box.UIDs("INBOX"); len(got) != 2 || srv.Seen("EXPUNGE")+srv.Seen("UID EXPUNGE") > 0 {
		t.Errorf("left are %v", got)
	}
	if got := box.Flags("INBOX", 1); !slices.Contains(got, `\Deleted`) {
		t.Errorf("flags of the deleted one are %q", got)
	}
	if got := list(t, open(t, config(t, addr, imap.TLS))); len(got) != 1 {
		t.Errorf("%d messages listed afterwards, want 1", len(got))
	}
}

func TestManyMessagesAreDeletedInShortCommands(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{}
	for i := range 200 {
		s.Messages = append(s.Messages, imapd.ScriptMessage{UID: 4_000_000_000 + uint32(2*i), Body: "x"})
	}
	src := open(t, config(t, script(t, s), imap.TLS))
	if err := src.Delete(t.Context(), list(t, src)); err != nil {
		t.Fatal(err)
	}
	stores, expunges := 0, 0
	for _, line := range s.Log() {
		if len(line) > 990 {
			t.Errorf("a command of %d octets (RFC 2683 3.2.1.5: 1000)", len(line))
		}
		if strings.HasPrefix(line, "UID STORE") {
			stores++
		}
		if strings.HasPrefix(line, "UID EXPUNGE") {
			expunges++
		}
	}
	if stores != 4 || expunges != 4 {
		t.Errorf("%d STOREs and %d EXPUNGEs, want 4 and 4", stores, expunges)
	}
}

func TestReadOnlySessionChangesNothing(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("one")}
	cfg := config(t, script(t, s), imap.TLS)
	cfg.ReadOnly = true
	src := open(t, cfg)
	refs := list(t, src)
	for _, err := range []error{src.Delete(t.Context(), refs), src.MarkSeen(t.Context(), refs)} {
		if f := fault(t, err); f.Code != "read_only" {
			t.Errorf("got %v, want read_only", f)
		}
	}
	if s.Saw("SELECT") || s.Saw("UID STORE") || !s.Saw("EXAMINE") {
		t.Errorf("sent %q, want EXAMINE only", s.Log())
	}
}

func TestSinceLeavesOutWhatWasReceivedEarlier(t *testing.T) {
	t.Parallel()
	since := time.Date(2024, 5, 10, 12, 0, 0, 500, time.UTC)
	for name, without := range map[string][]string{"with ESEARCH": nil, "without": {"ESEARCH"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, box, addr := serve(t, imap.TLS, imapd.Options{Without: without})
			east := time.FixedZone("", 14*3600)
			for _, received := range []time.Time{
				since.AddDate(-1, 0, 0), since.AddDate(0, 0, -1), since.Add(-time.Second),
				since.Truncate(time.Second), since.Add(time.Minute).In(east), since.AddDate(0, 0, -2), since.AddDate(0, 1, 0),
			} {
				box.DeliverAt("INBOX", received, []byte("x"))
			}
			cfg := config(t, addr, imap.TLS)
			cfg.Since = since
			if got, want := names(list(t, open(t, cfg))), []string{"INBOX/4", "INBOX/5", "INBOX/7"}; !slices.Equal(got, want) {
				t.Errorf("listed %q, want %q", got, want)
			}
			cfg.Since = since.AddDate(5, 0, 0)
			if got := list(t, open(t, cfg)); len(got) != 0 {
				t.Errorf("listed %v, want nothing", got)
			}
		})
	}
}

func TestOnlyHarmlessCommandsAreSent(t *testing.T) {
	t.Parallel()
	s := &imapd.Script{Messages: messages("Subject: x\r\n\r\none", "two")}
	src := open(t, config(t, script(t, s), imap.TLS))
	refs := list(t, src)
	_, _ = src.Header(t.Context(), refs[0])
	if _, err := take(t.Context(), src, refs); err != nil {
		t.Fatal(err)
	}
	if err := src.MarkSeen(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	if err := src.Delete(t.Context(), refs); err != nil {
		t.Fatal(err)
	}
	if err := src.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	allowed := []string{"CAPABILITY", "AUTHENTICATE PLAIN ", "SELECT INBOX", "UID FETCH 1:* (UID ", "UID FETCH 1 (UID BODY.PEEK[HEADER])",
		"UID FETCH 1:2 (UID BODY.PEEK[])", `UID STORE 1:2 +FLAGS.SILENT (\Seen)`, `UID STORE 1:2 +FLAGS.SILENT (\Deleted)`, "UID EXPUNGE 1:2", "LOGOUT"}
	for _, line := range s.Log() {
		ok := slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(line, a) })
		if !ok || strings.Contains(line, "ENVELOPE") || strings.Contains(line, "BODYSTRUCTURE") {
			t.Errorf("sent %q", line)
		}
	}
}

func TestHeaderOfAMessageThatIsGoneIsUndelivered(t *testing.T) {
	t.Parallel()
	_, box, addr := serve(t, imap.TLS, imapd.Options{})
	box.Deliver("INBOX", []byte("one"))
	src := open(t, config(t, addr, imap.TLS))
	refs := list(t, src)
	box.Remove("INBOX", refs[0].UID)
	_, err := src.Header(t.Context(), refs[0])
	if f := fault(t, err); f.Class != mail.Undelivered || f.Code != "source_gone" {
		t.Errorf("got %v, want source_gone", f)
	}
	if got := list(t, src); len(got) != 0 {
		t.Errorf("the source does not go on: %v", got)
	}
}
