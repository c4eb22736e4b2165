package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/manifest"
)

type pluginTestCmd struct {
	File     string   `arg:"" help:"Packed module, or the name of a rule that comes with the program." placeholder:"FILE"`
	Set      []string `help:"Setting; lists with commas; repeatable." placeholder:"key=value" sep:"none"`
	Size     int64    `default:"-1" help:"Octets of the message; default: those of standard input." placeholder:"N"`
	Folder   string   `help:"IMAP folder that it comes from." placeholder:"NAME"`
	Mailbox  string   `help:"Name of the mailbox." default:"test" placeholder:"NAME"`
	Authserv []string `help:"Server whose Authentication-Results are believed; repeatable." placeholder:"HOST" sep:"none"`
	Expect   string   `help:"Exit 1 unless the verdict is this: keep, or names as manifests have them, with commas." placeholder:"VERDICT"`
	JSON     bool     `name:"json" help:"Print one JSON object."`
	engineFlag
}

// Run asks a rule about one message. The header section of what is read is looked
// at; of the rest, its length.
func (c *pluginTestCmd) Run(a *app) error {
	want, err := c.expected()
	if err != nil {
		return err
	}
	h, closing, err := c.host(a.ctx)
	if err != nil {
		return err
	}
	defer closing()
	r, err := setUp(a.ctx, h, c.File, c.Set)
	if err != nil {
		return err
	}
	header, size, err := readHeader(a.stdin)
	if err != nil {
		return usageError{fmt.Errorf("standard input: %w", err)}
	}
	if c.Size >= 0 {
		size = c.Size
	}
	out, err := r.Run(a.ctx, field.Of(header, mail.Ref{Size: size, Folder: c.Folder}, &field.Mailbox{Name: c.Mailbox, Authserv: c.Authserv}))
	if err != nil {
		if _, own := errors.AsType[*plugins.Fault](err); own {
			err = fmt.Errorf("%s: %w (after %d units of fuel; mail is imported as if there were no such rule)", c.File, err, out.Fuel)
		}
		return err
	}
	a.printf("%s", c.report(r.Plugin.Manifest, &out))
	if c.Expect != "" && out.Bits != want {
		return undone{fmt.Sprintf("%s: the verdict is %s, not %s", c.File, verdictNames(out.Bits), verdictNames(want))}
	}
	return nil
}

func verdictNames(bits uint64) string { return inOneLine(manifest.Verdicts(bits), "keep") }

// expected reads --expect.
func (c *pluginTestCmd) expected() (bits uint64, err error) {
	if c.Expect == "" || c.Expect == "keep" {
		return 0, nil
	}
	known := manifest.Verdicts(^uint64(0))
	for name := range strings.SplitSeq(c.Expect, ",") {
		i := slices.Index(known, strings.TrimSpace(name))
		if i < 0 {
			return 0, usageError{fmt.Errorf("--expect: %q is no verdict: write keep, or some of %s", name, strings.Join(known, ", "))}
		}
		bits |= 1 << i
	}
	return bits, nil
}

func (c *pluginTestCmd) report(m *manifest.Manifest, out *plugins.Outcome) string {
	if c.JSON {
		return asJSON(out)
	}
	var s strings.Builder
	line := func(what, value string) { fmt.Fprintf(&s, "%-10s%s\n", what, value) }
	line("verdict", verdictNames(out.Bits))
	if out.Reason == 0 {
		line("reason", "none")
	} else {
		number := strconv.Itoa(int(out.Reason))
		line("reason", number+": "+cmp.Or(m.Reasons[number], "not named in the manifest"))
	}
	line("labels", inOneLine(out.Labels, "none"))
	if len(out.Notes) == 0 {
		line("notes", "none")
	}
	for i, n := range out.Notes {
		line(heading(i, "notes"), fmt.Sprintf("code %d, value %d", n.Code, n.Value))
	}
	line("fuel", fmt.Sprintf("%d of %d", out.Fuel, m.Limits.Fuel))
	if out.Dropped > 0 {
		line("dropped", fmt.Sprintf("%d verdicts that the manifest does not ask for", out.Dropped))
	}
	return s.String()
}

func asJSON(out *plugins.Outcome) string {
	type note struct {
		Code  int32 `json:"code"`
		Value int64 `json:"value"`
	}
	notes := []note{}
	for _, n := range out.Notes {
		notes = append(notes, note(n))
	}
	line, err := json.Marshal(struct {
		Verdict []string `json:"verdict"` // empty: keep
		Reason  uint16   `json:"reason"`
		Labels  []string `json:"labels"`
		Notes   []note   `json:"notes"`
		Fuel    int64    `json:"fuel"`
		Dropped int      `json:"dropped"`
	}{append([]string{}, manifest.Verdicts(out.Bits)...), out.Reason, append([]string{}, out.Labels...), notes, out.Fuel, out.Dropped})
	if err != nil {
		panic("cli: " + err.Error())
	}
	return string(line) + "\n"
}

// readHeader reads a message: its header section is kept, its body counted.
func readHeader(r io.Reader) (h *mail.Header, size int64, err error) {
	raw := make([]byte, mail.MaxHeader)
	n, err := io.ReadFull(r, raw)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, 0, err
	}
	if len(bytes.TrimSpace(raw[:n])) == 0 {
		return nil, 0, errors.New("has no message: send one, or its header section, such as < message.eml")
	}
	rest, err := io.Copy(io.Discard, r)
	h = mail.ParseHeader(raw[:n])
	if rest > 0 && mail.HeaderEnd(raw[:n]) < 0 {
		h.SetTruncated()
	}
	return h, int64(n) + rest, err
}
