package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/gmail/gmailtest"
	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

// history is one of the ways in which mail is moved and killed.
type history struct {
	scheme string
	policy string
}

var histories = []history{
	{"pop3s", "leave"}, {"pop3s", "delete"},
	{"imaps", "leave"}, {"imaps", "delete"}, {"imaps", "seen"},
}

func (h history) String() string { return h.scheme + "/" + h.policy }

func (h history) way(d *dovecot.Server) dovecot.Way {
	for _, w := range d.Ways() {
		if scheme(w) == h.scheme {
			return w
		}
	}
	panic("no such way")
}

// mixed is small mail with some larger than the window in between.
func mixed(small int) (raws [][]byte) {
	for i := range small {
		raws = append(raws, testkit.Message(uint64(i)+1000))
		if i%20 == 7 {
			var b strings.Builder
			if _, err := copyTo(&b, testkit.Big(700_000, uint64(i))); err != nil {
				panic(err)
			}
			raws = append(raws, []byte(b.String()))
		}
	}
	return raws
}

// check is the oracle after a history has come to its end.
func (h history) check(t *testing.T, in *installation, d *dovecot.Server, want map[string]int) {
	t.Helper()
	once(t, in.gmail.Hashes(user), want)
	left := truth(t, d, h.way(d), "ann")
	switch h.policy {
	case "delete":
		if n := total(left); n != 0 {
			t.Errorf("%d messages are still at the source", n)
		}
	default:
		once(t, left, want)
	}
	if h.policy != "seen" {
		return
	}
	files, err := d.Files("ann", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, flags, _ := strings.Cut(f, ":2,"); !strings.Contains(flags, "S") {
			t.Errorf("a message is not marked seen: flags %q", flags)
		}
	}
}

// TestKilledAtRandomEveryMessageArrivesOnce kills the process with SIGKILL at
// random times, again and again, until the mailbox is done. Only a kill that
// hits work in flight counts: after the first upload session of the run, and
// before the process has ended by itself.
func TestKilledAtRandomEveryMessageArrivesOnce(t *testing.T) {
	kills := 110
	if n, err := strconv.Atoi(os.Getenv("SMTP_SYNC_TEST_KILLS")); err == nil {
		kills = n
	}
	each := (kills + len(histories) - 1) / len(histories)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var hits atomic.Int64
	for i, h := range histories {
		t.Run(h.String(), func(t *testing.T) {
			dice := rand.New(rand.NewPCG(seed, uint64(i)))
			hit := 0
			for round := 0; hit < each; round++ {
				hit += killRandomly(t, h, dice, each-hit)
				if t.Failed() {
					t.Fatalf("round %d", round)
				}
			}
			hits.Add(int64(hit))
			t.Logf("%d kills hit work in flight", hit)
		})
	}
	if hits.Load() < int64(kills) {
		t.Errorf("only %d kills hit work in flight, want %d", hits.Load(), kills)
	}
	t.Logf("%d kills in all hit work in flight, every message arrived once", hits.Load())
}

func killRandomly(t *testing.T, h history, dice *rand.Rand, most int) (hits int) {
	t.Helper()
	raws := mixed(150)
	d := serve(t, "ann", raws...)
	defer d.Stop()
	way := h.way(d)
	want := truth(t, d, way, "ann")
	in := install(t, gmailtest.Options{})
	box := in.at(h.scheme, "ann", password, way.Port, d.CA)
	for hits < most {
		opened := in.gmail.Stats().Requests[gmailtest.Open]
		cmd := in.command(t.Context(), in.syncArgs(box, "--after-import", h.policy)...)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		if !workInFlight(in, opened, ended) {
			break // the mailbox was done, or this run ended first
		}
		select {
		case <-ended:
			ended <- nil
		case <-time.After(time.Duration(dice.IntN(60_000)) * time.Microsecond):
		}
		_ = cmd.Process.Kill()
		<-ended
		if cmd.ProcessState.ExitCode() == -1 {
			hits++
		}
	}
	for range 3 {
		if r := in.sync(box, "--after-import", h.policy); r.code == 0 {
			break
		}
	}
	h.check(t, in, d, want)
	return hits
}

// workInFlight waits for the first upload session of a process.
func workInFlight(in *installation, before int, ended chan error) bool {
	for {
		select {
		case err := <-ended:
			ended <- err
			return false
		case <-time.After(time.Millisecond):
		}
		if in.gmail.Stats().Requests[gmailtest.Open] > before {
			return true
		}
	}
}

// TestKilledAtEveryStepEveryMessageArrivesOnce has the process kill itself
// before and after each named step, the first and the fifth time it comes by.
func TestKilledAtEveryStepEveryMessageArrivesOnce(t *testing.T) {
	for _, h := range histories {
		t.Run(h.String(), func(t *testing.T) {
			t.Parallel()
			killed := make(map[bridge.Step]int)
			for _, step := range bridge.Steps() {
				for _, when := range []bridge.When{bridge.Before, bridge.After} {
					for _, n := range []int{1, 5} {
						if killAt(t, h, step, when, n) {
							killed[step]++
						}
					}
				}
			}
			for _, step := range bridge.Steps() {
				if killed[step] == 0 && reached(step, h) {
					t.Errorf("no kill hit the step %v", step)
				}
			}
			t.Logf("kills at: %v", killed)
		})
	}
}

// reached leaves out the steps of a recovery, which TestARecoveryIsKilledAtItsSteps
// hits, and the ones this history does not have.
func reached(s bridge.Step, h history) bool {
	switch s {
	case bridge.StepQuery, bridge.StepRemap, bridge.StepRecheck:
		return false
	case bridge.StepDispose:
		return h.policy != "leave"
	}
	return true
}

// longMail makes one message of a load large enough for a checkpoint.
func longMail() []byte {
	var b strings.Builder
	if _, err := copyTo(&b, testkit.Big(9<<20, 1)); err != nil {
		panic(err)
	}
	return []byte(b.String())
}

func killAt(t *testing.T, h history, step bridge.Step, when bridge.When, n int) (killed bool) {
	t.Helper()
	raws := mixed(12)
	if step == bridge.StepCheckpoint {
		raws = append(raws, longMail())
	}
	d := sharedDovecot(t)
	name := d.user(t, raws)
	in := install(t, gmailtest.Options{}, "-tags", "crashpoints")
	way := h.way(d.Server)
	want := truth(t, d.Server, way, name)
	box := in.at(h.scheme, name, password, way.Port, d.CA)
	in.env["CRASHPOINT"] = fmt.Sprintf("%v:%v:%d", step, when, n)
	killed = in.sync(box, "--after-import", h.policy).code == -1
	delete(in.env, "CRASHPOINT")
	if killed {
		// Once more, at a place that only a recovery has.
		in.env["CRASHPOINT"] = fmt.Sprintf("%v:%v:1", []bridge.Step{
			bridge.StepQuery, bridge.StepRecheck, bridge.StepSettle, bridge.StepDispose,
		}[(int(step)+n)%4], when)
		in.sync(box, "--after-import", h.policy)
		delete(in.env, "CRASHPOINT")
	}
	in.sync(box, "--after-import", h.policy).orFail(t)
	once(t, in.gmail.Hashes(user), want)
	left := truth(t, d.Server, way, name)
	if h.policy == "delete" && total(left) != 0 || h.policy != "delete" && total(left) != total(want) {
		t.Errorf("killed %v %v #%d: %d messages left at the source of %d", when, step, n, total(left), total(want))
	}
	return killed
}

// TestARecoveryIsKilledAtItsSteps: what only a second run does, asking the
// session, comparing before the source is touched and giving known messages
// their new ids, is killed before and after too.
func TestARecoveryIsKilledAtItsSteps(t *testing.T) {
	for _, c := range []struct {
		step  bridge.Step
		first string // where the run before was killed; "": it was not
		renew bool   // the server gives its messages new ids in between
	}{
		{bridge.StepQuery, "put:after:3", false},
		{bridge.StepRecheck, "dispose:before:1", false},
		{bridge.StepRemap, "", true},
	} {
		for _, h := range []history{{"pop3s", "delete"}, {"imaps", "delete"}, {"imaps", "leave"}} {
			if c.step == bridge.StepRecheck && h.policy == "leave" {
				continue
			}
			for _, when := range []bridge.When{bridge.Before, bridge.After} {
				t.Run(fmt.Sprintf("%v/%v %v", h, when, c.step), func(t *testing.T) {
					t.Parallel()
					d := sharedDovecot(t)
					name := d.user(t, mixed(10))
					in := install(t, gmailtest.Options{}, "-tags", "crashpoints")
					way := h.way(d.Server)
					want := truth(t, d.Server, way, name)
					box := in.at(h.scheme, name, password, way.Port, d.CA)
					run := func(at, policy string) result {
						in.env["CRASHPOINT"] = at
						defer delete(in.env, "CRASHPOINT")
						return in.sync(box, "--after-import", policy)
					}
					if c.first != "" {
						if r := run(c.first, h.policy); r.code != -1 {
							t.Fatalf("the first run was not killed: exit %d", r.code)
						}
					} else {
						in.sync(box).orFail(t)
					}
					if c.renew {
						if err := d.ForgetUIDs(name, ""); err != nil {
							t.Fatal(err)
						}
					}
					if r := run(fmt.Sprintf("%v:%v:1", c.step, when), h.policy); r.code != -1 {
						t.Fatalf("the recovery was not killed: exit %d\n%s", r.code, r.stderr)
					}
					in.sync(box, "--after-import", h.policy).orFail(t)
					once(t, in.gmail.Hashes(user), want)
					left := total(truth(t, d.Server, way, name))
					if h.policy == "delete" && left != 0 || h.policy == "leave" && left != total(want) {
						t.Errorf("%d messages left at the source of %d", left, total(want))
					}
				})
			}
		}
	}
}
