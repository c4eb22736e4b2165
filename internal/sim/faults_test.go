package sim

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// step is a place where something can break: a call of a port or, with "in "
// before its name, a step of the bridge.
type step string

// fault is what breaks there.
type fault string

const (
	none fault = ""

	cut           fault = "cut"            // the connection is lost, within a body where there is one
	stall         fault = "stall"          // nothing comes until the client's patience ends
	deadHost      fault = "dead host"      // nobody answers, for an hour
	refuse        fault = "refuse"         // -ERR or NO
	inUse         fault = "in use"         // another program has the maildrop
	loginDelay    fault = "login delay"    // not so often
	wrongPassword fault = "wrong password" // once
	renumber      fault = "renumber"       // UIDVALIDITY or all unique-ids change
	vanish        fault = "vanish"         // the owner removes the message just now

	rateNamed  fault = "429 with time"
	rateBare   fault = "429"
	rateHour   fault = "429 for an hour"
	busy       fault = "5xx"
	lostBefore fault = "request lost"
	lostAfter  fault = "answer lost" // after it took effect
	partial    fault = "partial"     // less is kept than was sent
	expire     fault = "expire"      // the upload session is forgotten
	revoke     fault = "revoke"      // the user withdraws the grant

	storeFails fault = "store error" // nothing was written
	storeLate  fault = "store late"  // it was written, and the error comes all the same

	panics fault = "panic"
	kill   fault = "kill"   // the process is gone at once
	zombie fault = "zombie" // another takes over while this one goes on for a while
	freeze fault = "freeze" // the machine sleeps: the clock jumps

	clockBack fault = "clock back" // what was stored is from a clock that was ahead
)

// menu is what may break where: every pair must have fired over all seeds.
var menu = map[step][]fault{
	"dial":   {cut, stall, deadHost, refuse, inUse, loginDelay, wrongPassword, renumber},
	"digest": {cut, stall},
	"list":   {cut, stall, refuse, renumber, freeze},
	"header": {cut, stall, refuse, vanish},
	"fetch":  {cut, stall, refuse, renumber, vanish, freeze},
	"delete": {cut, stall, refuse, renumber},
	"seen":   {cut, stall, refuse, renumber},
	"close":  {cut, stall},
	"idle":   {cut, stall},

	"rules": {refuse, kill},

	"open":  {stall, rateNamed, rateBare, rateHour, busy, revoke, freeze},
	"put":   {stall, rateNamed, rateBare, rateHour, busy, lostBefore, lostAfter, partial, expire, revoke, freeze},
	"query": {stall, rateNamed, rateBare, busy, expire, revoke},

	"entries":    {storeFails},
	"claims":     {storeFails},
	"claim":      {storeFails, storeLate},
	"settle":     {storeFails, storeLate},
	"record":     {storeFails, storeLate},
	"listed":     {storeFails, storeLate},
	"remap":      {storeFails, storeLate},
	"renew":      {storeFails, storeLate},
	"checkpoint": {storeFails, storeLate},

	"begin":   {storeFails, storeLate, kill},
	"save":    {storeFails, storeLate, kill},
	"clean":   {storeFails, kill},
	"account": {storeFails, panics, kill},
	"prepare": {storeFails, panics, kill},

	"boot": {clockBack},

	"in list":       {panics, kill, zombie},
	"in read":       {panics, kill, zombie},
	"in query":      {panics, kill, zombie},
	"in fetch":      {panics, kill, zombie},
	"in open":       {panics, kill, zombie},
	"in claim":      {panics, kill, zombie},
	"in put":        {panics, kill, zombie},
	"in body":       {panics, kill, zombie},
	"in checkpoint": {panics, kill, zombie},
	"in settle":     {panics, kill, zombie},
	"in remap":      {panics, kill, zombie},
	"in recheck":    {panics, kill, zombie},
	"in dispose":    {panics, kill, zombie},
	"in close":      {panics, kill, zombie},
}

// odds are the chances that something breaks at a step, in per mille; rare
// steps have higher ones. Steps that are not in it have ordinary.
var odds = map[step]uint64{
	"dial": 25, "digest": 8, "list": 30, "header": 80, "fetch": 20, "delete": 80, "seen": 150, "close": 15, "idle": 60,
	"open": 15, "put": 40, "query": 200,
	"entries": 10, "claims": 2, "record": 100, "listed": 30, "remap": 150, "renew": 300, "checkpoint": 300,
	"begin": 15, "save": 10, "clean": 20, "account": 20, "prepare": 3,
	"boot": 200, "in list": 5, "in read": 5, "in query": 40, "in checkpoint": 200, "in remap": 60, "in recheck": 30, "in dispose": 20, "in close": 3,
}

const ordinary = 4

// pair is a cell of the table.
type pair struct {
	at step
	f  fault
}

// table counts what fired, over all seeds.
type table struct {
	mu    sync.Mutex
	fired map[pair]int
}

func (t *table) count(p pair) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fired[p]++
}

// faults decide what breaks in one run. They do so by the seed, by whom it
// befalls and by how often he has passed the place: not by time, and not by
// what others do.
type faults struct {
	seed   uint64
	factor uint64 // percent of the ordinary odds
	table  *table

	mu     sync.Mutex
	off    bool
	passed map[spot]uint64
}

type spot struct {
	who string
	at  step
}

func newFaults(seed, factor uint64, t *table) *faults {
	return &faults{seed: seed, factor: factor, table: t, passed: make(map[spot]uint64)}
}

// strike passes the place once. may narrows what can happen to this one.
func (f *faults) strike(who string, at step, may func(fault) bool) fault {
	f.mu.Lock()
	n := f.passed[spot{who, at}]
	f.passed[spot{who, at}]++
	off := f.off
	f.mu.Unlock()
	if off {
		return none
	}
	dice := f.dice(who, string(at), n)
	odd, ok := odds[at]
	if !ok {
		odd = ordinary
	}
	if dice.Uint64N(100_000) >= odd*f.factor {
		return none
	}
	choice := menu[at][dice.IntN(len(menu[at]))]
	if may != nil && !may(choice) {
		return none
	}
	f.table.count(pair{at, choice})
	return choice
}

// dice are rolled anew for each passing.
func (f *faults) dice(who, what string, n uint64) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(who + "\x00" + what))
	return rand.New(rand.NewPCG(f.seed<<20+n, h.Sum64()))
}

// stop ends all faults: from now on the world is well.
func (f *faults) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.off = true
}

// between gives a duration from low to high.
func between(r *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(r.Int64N(int64(high-low)+1))
}

// print writes the table.
func (t *table) print(to testing.TB) {
	for _, at := range slices.Sorted(maps.Keys(menu)) {
		var line strings.Builder
		for _, f := range menu[at] {
			fmt.Fprintf(&line, "  %s %d", f, t.fired[pair{at, f}])
		}
		to.Logf("%-14s%s", at, line.String())
	}
}

// require fails for every pair that never fired.
func (t *table) require(to testing.TB) {
	for at, may := range menu {
		for _, f := range may {
			if t.fired[pair{at, f}] == 0 {
				to.Errorf("%s at %q never happened", f, at)
			}
		}
	}
}

// complaints counts what it is told.
type complaints struct {
	testing.TB
	n int
}

func (c *complaints) Errorf(string, ...any) { c.n++ }

func TestAFaultThatNeverHappenedFailsTheRun(t *testing.T) {
	tab := &table{fired: make(map[pair]int)}
	for at, may := range menu {
		for _, f := range may {
			tab.count(pair{at, f})
		}
	}
	said := &complaints{TB: t}
	if tab.require(said); said.n != 0 {
		t.Errorf("%d complaints, though everything happened", said.n)
	}
	tab.fired[pair{"seen", stall}] = 0
	if tab.require(said); said.n != 1 {
		t.Errorf("%d complaints about the one that never happened", said.n)
	}
}
