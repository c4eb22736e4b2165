package bridge

import "fmt"

// Step names a place in a pass where a crash may hit. The names are those of
// the model, with the source's own steps beside them.
type Step int

const (
	StepList       Step = iota // the complete listing
	StepRead                   // the ledger's entries and claims
	StepQuery                  // asking a session what became of it
	StepFetch                  // the header of one message has been peeked
	StepOpen                   // opening the upload session
	StepClaim                  // the fenced insert
	StepPut                    // one request with octets, from first octet to answer
	StepBody                   // its first octet and its last, as the transport takes them
	StepCheckpoint             // sealing a position of a long upload
	StepSettle                 // outcome and audit line
	StepRemap                  // new ids for known messages
	StepRecheck                // the content key once more, before the source is touched
	StepDispose                // delete or flag at the source
	StepClose                  // QUIT or LOGOUT: POP3 deletes here
	stepEnd
)

var stepNames = [...]string{
	"list", "read", "query", "fetch", "open", "claim", "put", "body",
	"checkpoint", "settle", "remap", "recheck", "dispose", "close",
}

func (s Step) String() string { return stepNames[s] }

// Steps gives all of them, for tests that enumerate crashes.
func Steps() []Step {
	all := make([]Step, stepEnd)
	for i := range all {
		all[i] = Step(i)
	}
	return all
}

// When says on which side of a step the hook is called.
type When int

const (
	Before When = iota
	After
)

func (w When) String() string { return [...]string{"before", "after"}[w] }

// Hook is called before and after each step, from any goroutine. An error
// from it ends the pass at once, as a crash would.
type Hook func(Step, When) error

// at runs one step between its two hooks.
func (r *run) at(s Step, do func() error) error {
	if err := r.hook(s, Before); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return r.hook(s, After)
}

func (r *run) hook(s Step, w When) error {
	crashHere(s, w)
	if r.Hook == nil {
		return nil
	}
	if err := r.Hook(s, w); err != nil {
		return fmt.Errorf("%s %s: %w", w, s, err)
	}
	return nil
}
