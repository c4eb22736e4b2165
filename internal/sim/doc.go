// Package sim runs the whole engine in a world that is made up, in fake time,
// and breaks that world in every way it knows.
//
// Real are the actors, the bridge, the budgets and the policy of the schedule;
// the ledger is its twin in memory. Made up is what lies beyond the ports: mail
// servers, Gmail, the registry. One run is one testing/synctest bubble: some
// users with some mailboxes live through some days in a fraction of a second.
//
//	fate      brings mail, removes mail, changes rules, restarts the process, presses buttons
//	faults    decide by (seed, who, step, how often he was there) what breaks
//	process   one life of the program; when it is killed another takes over,
//	          and what is left of the old one is a zombie that must do no harm
//	oracle    knows every message that ever was, and asks at the end:
//	          exactly once, within budget, nothing forgotten
//
// Fake time does not fix the order in which goroutines run, so a seed usually,
// not always, repeats its run. A failing one is run again by
//
//	SMTP_SYNC_SIM_SEED=n go test -count=1 -run TestSimulation -v ./internal/sim
//
// The package is tests and nothing else.
package sim
