package e2e

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

// letter is a mail from a domain, with one more header field perhaps.
func letter(n int, domain, field string, size int) []byte {
	if field != "" {
		field += "\r\n"
	}
	head := fmt.Sprintf("Received: from a.example by b.example; id %d\r\nMessage-ID: <%d@%s>\r\nFrom: Someone <someone@%s>\r\n"+
		"Date: Mon, 2 Feb 2026 15:04:05 +0000\r\n%sSubject: letter %d\r\n\r\n", n, n, domain, domain, field, n)
	return append([]byte(head), bytes.Repeat([]byte("all work and no play\r\n"), size/22)...)
}

// TestRulesOfTheCommandLine: what rules say is done, each with the settings
// behind it; what they skip stays at the source, and stays skipped.
func TestRulesOfTheCommandLine(t *testing.T) {
	t.Parallel()
	d := sharedDovecot(t)
	for _, way := range d.Ways() {
		if way.StartTLS {
			continue
		}
		t.Run(way.Name, func(t *testing.T) {
			t.Parallel()
			name := d.user(t, [][]byte{
				letter(1, "news.spam.example", "", 500),
				letter(2, "spam.example", "", 600_000),
				letter(3, "lists.example", "List-Id: Friends <friends.lists.example>", 500),
				letter(4, "boss.example", "", 600_000),
				letter(5, "other.example", "", 500),
				letter(6, "other.example", "", 3_000_000),
			})
			in := install(t, gmailtest.Options{})
			box := in.at(scheme(way), name, password, way.Port, d.CA)
			size, _ := shipped.Named("size-limit")
			file := in.write(filepath.Join(filepath.Dir(in.data), "limit.wasm"), string(size.Wasm))
			rules := []string{
				"--plugin", "skip-domains", "--set", "domains=spam.example,nobody.example",
				"--plugin", "label-by-list-id", "--set", "under=Lists", "--set", "archive=true",
				"--plugin", "mark-important-from", "--set", "domains=boss.example", "--set", "star=true",
				"--plugin", file, "--set", "limit=2MB",
			}
			in.sync(box, rules...).want(t, 0, report{Listed: 6, Imported: 3, Skipped: 3})
			want := []string{"IMPORTANT INBOX STARRED UNREAD", "INBOX UNREAD", "Lists/friends.lists.example UNREAD"}
			if got := in.labels(); !slices.Equal(got, want) {
				t.Errorf("labels %q, want %q", got, want)
			}
			in.sync(box).want(t, 0, report{Listed: 6, Already: 3, Skipped: 3})
		})
	}
}

// labels gives the names of the labels of each message in Gmail.
func (in *installation) labels() []string {
	return slices.Sorted(maps.Values(in.labelled()))
}

// labelled gives them by the hash of the message.
func (in *installation) labelled() map[string]string {
	names, all := map[string]string{}, map[string]string{}
	for name, id := range in.gmail.Labels(user) {
		names[id] = name
	}
	for _, stored := range in.gmail.Messages(user) {
		var labels []string
		for _, id := range stored.Labels {
			labels = append(labels, cmp.Or(names[id], id))
		}
		slices.Sort(labels)
		all[stored.SHA256] = strings.Join(labels, " ")
	}
	return all
}
