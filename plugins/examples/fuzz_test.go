package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/mail"
	"github.com/smtp-sync/smtp-sync/plugins"
	"github.com/smtp-sync/smtp-sync/plugins/field"
	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
	"github.com/smtp-sync/smtp-sync/plugins/shipped"
)

// The tests are the process in which mutated modules run.
const asRunner = "run-modules"

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == asRunner {
		runModules(os.Stdin, os.Stdout)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// What became of a module.
const (
	notCompiled byte = iota // its types are wrong
	notStarted              // it trapped before the first message, or had no fuel for it
	trapped
	outOfFuel
	ended
	fates
)

// TestMutatedModulesOfEveryToolchain: modules of every language that there is an SDK
// for, of the shipped rules and of a generator, with a few octets changed, are
// refused or can be metered; what passes is compiled and run on a message in a
// process of its own, which lives on. SMTP_SYNC_TEST_GATE asks for more of them.
func TestMutatedModulesOfEveryToolchain(t *testing.T) {
	t.Parallel()
	n := 5_000
	if more, err := strconv.Atoi(os.Getenv("SMTP_SYNC_TEST_GATE")); err == nil {
		n = more
	}
	document := read(t, "manifest.json")
	origins := map[string][]origin{}
	add := func(name string, wasm []byte) { origins[name] = append(origins[name], originOf(name, wasm)) }
	for language, build := range map[string]func(t *testing.T) []byte{"C": buildC, "Rust": buildRust, "AssemblyScript": buildAssemblyScript, "text": buildWAT, "Go": buildGo} {
		packed, err := gate.Pack(build(t), document)
		if err != nil {
			t.Fatal(err)
		}
		add(language, packed)
	}
	for _, r := range shipped.All() {
		add("shipped", r.Wasm)
	}
	r := rand.New(rand.NewPCG(20261124, uint64(n)))
	for range 20 {
		// Little fuel: one octet makes many of its loops endless.
		packed, err := gate.Pack(gatetest.Random(r).Bytes(), bytes.Replace(document, []byte(`"memory_pages": 64`), []byte(`"memory_pages": 4, "fuel": 100000`), 1))
		if err != nil {
			t.Fatal(err)
		}
		add("generated", packed)
	}
	names := slices.Sorted(maps.Keys(origins))
	child := startRunner(t)
	tally := map[string]*[2 + int(fates)]int{}
	passed := 0
	for i := range n {
		name := names[r.IntN(len(names))]
		if name == "Go" && r.IntN(1000) > 0 { // each takes as long as a thousand others
			name = "shipped"
		}
		o := &origins[name][r.IntN(len(origins[name]))]
		wasm := o.mutate(r)
		if i%50_000 == 49_999 {
			t.Logf("%d executions, %d passed", i+1, passed)
		}
		seen := tally[o.name]
		if seen == nil {
			seen = new([2 + int(fates)]int)
			tally[o.name] = seen
		}
		seen[0]++
		m, err := gate.Check(wasm, plugins.ABI)
		if err != nil {
			if _, ok := errors.AsType[*gate.Refusal](err); !ok {
				t.Fatalf("execution %d: %v", i, err)
			}
			continue
		}
		if _, err := m.Meter(plugins.ABI, gate.MaxPages); err != nil {
			t.Fatalf("execution %d: passed and cannot be metered: %v", i, err)
		}
		passed++
		seen[1]++
		fate, err := child.run(wasm)
		if err != nil {
			kept := filepath.Join(t.ArtifactDir(), "crash.wasm")
			_ = os.WriteFile(kept, wasm, 0o600)
			t.Fatalf("execution %d, of %s: the process that ran it ended: %v (%s)", i, o.name, err, kept)
		}
		seen[2+int(fate)]++
	}
	t.Logf("%d executions, %.1f %% passed the gate", n, 100*float64(passed)/float64(n))
	for name, seen := range tally {
		t.Logf("%-14s %7d tried, %7d passed: %d with wrong types, %d failed at the start, %d trapped, %d ran out of fuel, %d ended",
			name, seen[0], seen[1], seen[2], seen[3], seen[4], seen[5], seen[6])
	}
	if passed < 3*n/10 {
		t.Errorf("%d of %d passed: too few to say anything of what comes behind the gate", passed, n)
	}
}

// origin is a good module and where its code and data lie.
type origin struct {
	name       string
	wasm       []byte
	code, data [2]int
}

func originOf(name string, wasm []byte) origin {
	o := origin{name: name, wasm: wasm}
	for at := 8; at < len(wasm); {
		size, n := binary.Uvarint(wasm[at+1:])
		start := at + 1 + n
		switch end := start + int(size); wasm[at] {
		case 10:
			o.code = [2]int{start, end}
		case 11:
			o.data = [2]int{start, end}
		}
		at = start + int(size)
	}
	return o
}

// kin are opcodes that take and leave the same.
var kin = [][2]byte{{0x46, 0x4f}, {0x51, 0x5a}, {0x67, 0x69}, {0x6a, 0x78}, {0x79, 0x7b}, {0x7c, 0x8a}}

// mutate changes an octet or a few: an instruction for its like, a number in the
// code, the data; now and then anything, anywhere.
func (o *origin) mutate(r *rand.Rand) []byte {
	b := bytes.Clone(o.wasm)
	for range 1 + r.IntN(2) {
		at := o.code[0] + r.IntN(max(1, o.code[1]-o.code[0]))
		switch r.IntN(10) {
		case 0: // anything
			at = r.IntN(len(b))
			switch r.IntN(4) {
			case 0:
				b = append(b[:at], b[min(at+1+r.IntN(4), len(b)):]...)
			case 1:
				b = append(b[:at:at], append([]byte{b[at]}, b[at:]...)...)
			case 2:
				b[at] ^= 1 << r.IntN(8)
			default:
				b[at] = byte(r.Uint32())
			}
		case 1, 2:
			if o.data[1] > o.data[0] && o.data[1] <= len(b) {
				b[o.data[0]+r.IntN(o.data[1]-o.data[0])] = byte(r.Uint32())
			}
		case 3, 4, 5, 6: // the next instruction that has its like
			for range 64 {
				if at < len(b) && alike(r, &b[at]) {
					break
				}
				at++
			}
		case 7:
			if at < len(b) {
				b[at] = byte(r.Uint32())
			}
		default:
			if at < len(b) {
				b[at] += byte(r.IntN(3)) - 1
			}
		}
		if len(b) == 0 {
			return b
		}
	}
	return b
}

func alike(r *rand.Rand, op *byte) bool {
	for _, k := range kin {
		if *op >= k[0] && *op <= k[1] {
			*op = k[0] + byte(r.IntN(int(k[1]-k[0])+1))
			return true
		}
	}
	return false
}

// runner is the process that runs what passes.
type runner struct {
	in    io.Writer
	out   *bufio.Reader
	limit *time.Timer
}

func startRunner(t *testing.T) *runner {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, asRunner)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	return &runner{in, bufio.NewReader(out), time.AfterFunc(time.Hour, func() { _ = cmd.Process.Kill() })}
}

// run gives it a module and waits for its fate; one that takes a minute has got out.
func (c *runner) run(wasm []byte) (fate byte, err error) {
	c.limit.Reset(time.Minute)
	defer c.limit.Reset(time.Hour)
	if _, err := c.in.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(wasm))), wasm...)); err != nil {
		return 0, err
	}
	fate, err = c.out.ReadByte()
	if err == nil && fate >= fates {
		err = fmt.Errorf("it says %d", fate)
	}
	return fate, err
}

// runModules is the other side.
func runModules(in io.Reader, out io.Writer) {
	ctx := context.Background()
	r := bufio.NewReader(in)
	h, err := plugins.New(ctx, plugins.Options{})
	if err != nil {
		panic(err)
	}
	for {
		var size [4]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			return
		}
		wasm := make([]byte, binary.LittleEndian.Uint32(size[:]))
		if _, err := io.ReadFull(r, wasm); err != nil {
			return
		}
		if _, err := out.Write([]byte{fateOf(ctx, h, wasm)}); err != nil {
			return
		}
	}
}

var header = mail.ParseHeader([]byte(strings.ReplaceAll("From: A <a@news.example.org>\nSubject: Hello\nList-Id: X <x.example.org>\nList-Unsubscribe: <mailto:b@example.org>\n\n", "\n", "\r\n")))

func fateOf(ctx context.Context, h *plugins.Host, wasm []byte) byte {
	p, err := h.Load(ctx, wasm)
	if err != nil {
		return notCompiled // or its manifest is not one any more
	}
	defer func() { _ = h.Forget(ctx, p.Digest) }()
	var rule *plugins.Rule
	for _, settings := range []string{`{"domains":["example.org"]}`, `{}`, `{"limit":"10MB"}`, `{"pattern":"a","action":"read"}`} {
		if rule, err = p.Rule(ctx, json.RawMessage(settings)); err == nil {
			break
		}
	}
	if err != nil {
		return notStarted
	}
	_, err = rule.Run(ctx, field.Of(header, mail.Ref{Size: 4096}, &field.Mailbox{}))
	fault, failed := errors.AsType[*plugins.Fault](err)
	switch {
	case !failed:
		return ended
	case fault.Class == plugins.OutOfFuel:
		return outOfFuel
	}
	return trapped
}
