package plugins

import (
	"encoding/hex"
	"fmt"
)

// Class says what went wrong with a plugin. Classes are part of the API.
type Class string

const (
	Trap        Class = "trap"         // its own: unreachable, out of bounds, division by zero, too deep
	OutOfFuel   Class = "out_of_fuel"  // it would not have ended in time
	BadVerdict  Class = "bad_verdict"  // bits that this release does not know
	HostArg     Class = "host_arg"     // a pointer outside of its memory
	Instantiate Class = "instantiate"  // no instance could be made
	Compile     Class = "compile"      // wazero does not take it: its types are wrong
	BadConfig   Class = "config"       // configure_v1 refused the settings
	Died        Class = "worker_died"  // it ended or held up the process in which it ran
	Away        Class = "worker_away"  // that process is being started again: not the plugin's fault
	Off         Class = "switched_off" // it failed too often and rests
	OverBudget  Class = "over_budget"  // the rules of its user took too much of a processor
	Forgotten   Class = "forgotten"    // it was let go; a worker's host makes it again
	NotHere     Class = "not_run_here" // it was uploaded, and this service runs its own alone
)

// Digest names a plugin: SHA-256 of the file.
type Digest [32]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Fault is a plugin that failed. It holds nothing of a message.
type Fault struct {
	Class  Class
	Plugin string // its name
	Digest Digest
	Number int32 // what configure_v1 gave, with BadConfig
	// Detail is for the author of a module that does not compile: function and
	// offset. It is "" for whatever happens while messages are looked at.
	Detail string
}

func (f *Fault) Error() string {
	s := fmt.Sprintf("plugin %s (%.8s): %s", f.Plugin, f.Digest, f.Class.Text())
	if f.Class == BadConfig {
		s += fmt.Sprintf(" (number %d)", f.Number)
	}
	if f.Detail != "" {
		s += ": " + f.Detail
	}
	return s
}

// Text says what happened and what to do about it: it follows a name.
func (c Class) Text() string {
	switch c {
	case OutOfFuel:
		return "took more fuel than it may: make it do less for each message"
	case BadVerdict:
		return "gave a verdict with unknown bits: it may be made for a newer release"
	case HostArg:
		return "gave an address outside of its memory: its author has to mend it"
	case Instantiate:
		return "could not be started: its author has to mend it"
	case Compile:
		return "does not compile: build it again with a current compiler"
	case BadConfig:
		return "does not take these settings: change them"
	case Died:
		return "ended or held up the process in which it ran: its author has to mend it"
	case Away:
		return "cannot be asked for the moment: the process in which it runs is starting again"
	case NotHere:
		return "is not run here: this service runs the rules it comes with, and no others"
	case Forgotten:
		return "was removed while it was asked"
	case OverBudget:
		return "was left out: this user's rules had used up their 50 ms of a processor a second: use fewer rules, or cheaper ones"
	case Off:
		return "failed too often and is switched off for a while"
	}
	return "stopped with an error of its own: its author has to mend it"
}
