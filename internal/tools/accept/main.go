// Command accept runs what stands behind the "done" lines of every resolved
// issue and prints what each command says, beside its target. It is run before
// the next issue is resolved, so that nothing built earlier rots.
//
//	go run ./internal/tools/accept            everything (about half an hour)
//	go run ./internal/tools/accept kill bench some of it
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// check is one line that must hold.
type check struct {
	name, line string
	command    []string
	env        []string
	show       string // lines of the output to print: the figures
	target     string
}

var checks = []check{
	{
		name: "demo", line: "make demo shows mail arriving",
		command: []string{"go", "run", ".", "demo", "--for", "12s"},
		show:    `first mail|messages arrived`, target: "first mail in 60 s or less with a warm build cache",
	},
	{
		name: "corpus", line: "every message of the corpus arrives byte for byte, four ways; a second run imports 0",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "30m", "-run", "Corpus|Refuses", "./internal/e2e"},
		show:    `arrived byte for byte|refused with a reason`, target: "all arrive, or are listed as refused with the reason",
	},
	{
		name: "kill", line: "killed with SIGKILL at random and at every named step, every message is in Gmail once",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "30m", "-run", "Killed", "./internal/e2e"},
		env:     []string{"SMTP_SYNC_TEST_KILLS=150"},
		show:    `kills`, target: "100 kills or more that hit work in flight; 0 lost, 0 doubled",
	},
	{
		name: "rotation", line: "the master key of 10,000 users at work is rotated in processes that are killed in the middle",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "30m", "-run", "RotationUnderLoad", "./internal/vault/pgshelf"},
		env:     []string{"SMTP_SYNC_TEST_ROTATED_USERS=10000"},
		show:    `killed`, target: "0 failed; every key under the new master key",
	},
	{
		name: "mutants", line: "taking a protection out makes a test fail",
		command: []string{"go", "run", "./internal/tools/mutants"},
		show:    `killed|SURVIVED`, target: "every mutant is killed",
	},
	{
		name: "model", line: "the exactly-once model and its negative controls",
		command: []string{"go", "run", "./internal/tools/model", "-all"},
		show:    `.`, target: "the protocol holds, every shortcut breaks",
	},
	{
		name: "memory", line: "20 x 25 MB and one of 50 MB",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "30m", "-run", "LargeMail", "./internal/e2e"},
		show:    `peak grows`, target: "1 MiB or less for each concurrent transfer",
	},
	{
		name: "canary", line: "no octet of a body on disk, in the store, in logs or in panics",
		command: []string{"go", "test", "-count=1", "-v", "-run", "Body|Canary", "./internal/e2e"},
		show:    `^\s*--- `, target: "0 hits",
	},
	{
		name: "bench", line: "the product beside the bare pipe",
		command: []string{"sh", "-c", "go run ./bench -scenario throughput && go run ./bench -scenario large"},
		show:    `^\|`, target: "small: 0.8 of the bare pipe's messages/s, 1.5 of its CPU, 500 µs a message; large: 0.9 of its MB/s",
	},
}

func init() { checks = slices.Concat(checks, engine, service, rules) }

// engine is what stands behind the engine's lines.
var engine = []check{
	{
		name: "sim", line: "the whole engine in fake time: exactly once, within budget, nothing forgotten",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "30m", "./internal/sim"},
		show:    `seeds|passes|fired`, target: "200 seeds and 100,000 passes or more in 120 s or less, every required fault fired",
	},
	{
		name: "serve", line: "serve killed and drained under load; useless hosts beside a healthy one",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "30m", "-run", "Serve|Useless|SecondSignal", "./internal/e2e"},
		show:    `kills|SIGTERM|useless`, target: "0 lost, 0 doubled; an end within the drain time and 2 s; a state and a reason for each host",
	},
	{
		name: "actors", line: "no secret through panic, dead letter or stop; 10,000 due in a second; nothing left behind",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "10m", "./actors/..."},
		show:    `^(ok|---)|octets|bytes`, target: "all pass; 200 octets or less a registered mailbox",
	},
	{
		name: "suite", line: "every target of one node, measured (about three quarters of an hour)",
		command: []string{"go", "run", "./bench", "-scenario", "all"},
		show:    `^\|`, target: "design targets, printed beside each figure",
	},
}

// service is what stands behind the service's lines.
var service = []check{
	{
		name: "web", line: "API and files under load with the limits on, 1,000 event streams, the API beside imports",
		command: []string{"go", "run", "./bench", "-scenario", "web"},
		show:    `^\|`, target: "audit: 5,000 pages/s or more, p99 20 ms or less; files: 30,000/s or more; 1,000 streams in 50 MB or less; 429 for a greedy user and nobody else",
	},
	{
		name: "streams", line: "who is greedy, slow or gone holds up nobody",
		command: []string{"go", "test", "-count=1", "-v", "-run", "Greedy|DoesNotRead|HasGone|WithItsToken|SlowReader", "./server/..."},
		show:    `^--- `, target: "all pass",
	},
}

// rules is what stands behind the lines of rules.
var rules = []check{
	{
		name: "rules", line: "shipped rules beside the same in Go, the worker, an idle mailbox, every hostile module",
		command: []string{"go", "run", "./bench", "-scenario", "rules"},
		show:    `^\|`, target: "50,000 messages/s a core; p99 200 µs or less through the worker; 0 octets an idle mailbox; hostile modules refused or stopped in 10 ms or less",
	},
	{
		name: "rules-on", line: "throughput with five rules on",
		command: []string{"go", "run", "./bench", "-scenario", "throughput-rules"},
		show:    `^\|`, target: "0.8 of the bare pipe's messages/s, 1.5 of its CPU, 500 µs a message",
	},
	{
		name: "hostile", line: "hostile modules are refused or stopped, here and in the worker; verdict and fuel are those of the interpreter",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "20m", "-run", "Hostile|RunsAway|Price|Metering|Worker|Process|Compiler|Limits|Eat|NoOctet|Twin|Agree", "./plugins/..."},
		show:    `^--- `, target: "all pass",
	},
	{
		name: "fuzz-gate", line: "mutated modules of every toolchain (a million: make fuzz-gate)",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "60m", "-run", "MutatedModulesOfEveryToolchain", "-coverpkg=./plugins/gate", "./plugins/examples"},
		env:     []string{"SMTP_SYNC_TEST_GATE=50000"},
		show:    `passed|coverage`, target: "no crash; 30 % or more pass, are compiled and run",
	},
	{
		name: "authors", line: "the example of each SDK builds and agrees; the commands of docs/plugins.md",
		command: []string{"go", "test", "-count=1", "-v", "-timeout", "20m", "-run", "Examples|Documentation|Docs", "./plugins/examples", "./internal/..."},
		show:    `^ *--- `, target: "all pass",
	},
}

func main() {
	var failed []string
	for _, c := range checks {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], c.name) {
			continue
		}
		if !c.run() {
			failed = append(failed, c.name)
		}
	}
	if len(failed) > 0 {
		fmt.Printf("\nFAILED: %s\n", strings.Join(failed, ", "))
		os.Exit(1)
	}
}

func (c check) run() bool {
	fmt.Printf("\n%s: %s\n  target: %s\n  $ %s\n", c.name, c.line, c.target, strings.Join(c.command, " "))
	start := time.Now()
	cmd := exec.Command(c.command[0], c.command[1:]...)
	cmd.Env = append(os.Environ(), c.env...)
	out, err := cmd.CombinedOutput()
	show := regexp.MustCompile(c.show)
	for line := range bytes.Lines(out) {
		if show.Match(line) {
			fmt.Printf("  %s\n", bytes.TrimSpace(line))
		}
	}
	if err != nil {
		fmt.Printf("  FAILED after %.0f s: %v\n%s\n", time.Since(start).Seconds(), err, tail(out))
		return false
	}
	fmt.Printf("  ok, %.0f s\n", time.Since(start).Seconds())
	return true
}

// tail gives the end of an output, where the reason is.
func tail(out []byte) []byte { return out[max(0, len(out)-3000):] }
