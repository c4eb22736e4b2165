package bridge

import (
	"cmp"
	"math"
	"slices"

	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

// order sorts what is to be done, and tells new mail from history:
//
//	new mail, oldest first | history, oldest or newest first | suspects
//
// New mail is what is listed beyond the backlog of before. It is few and
// waited for; history is much and has time. The messages at which the
// connection broke go last. r.mu is held.
func (r *run) order(todo []*job) {
	if !r.listed {
		r.past = r.Left
		if r.Left == 0 && !r.knowsAny() {
			r.past = len(todo) // the first look at this mailbox
		}
	}
	r.listed, r.left = true, usage{}
	for _, j := range todo {
		r.left.add(1, announced(j))
		_, j.suspect = r.suspects[j.id]
	}
	r.past = max(0, min(r.past, len(todo)))
	for _, j := range byAge(todo)[:r.past] {
		j.history = true
	}
	if r.Newest {
		newestFirst(todo)
	}
	slices.SortStableFunc(todo, func(a, b *job) int { return cmp.Compare(a.rank(), b.rank()) })
}

func (j *job) rank() int {
	if j.suspect {
		return 2
	}
	return boolInt(j.history)
}

// knowsAny reports whether the ledger knows a message of these folders.
func (r *run) knowsAny() (any bool) {
	r.known.all(func(e *ledger.Entry) { any = any || r.scopes[scopeOf(e.ID)] })
	return any
}

// byAge gives the jobs oldest first. A listing has each folder in that order;
// several are merged by date.
func byAge(todo []*job) []*job {
	if len(todo) == 0 || todo[0].ref.Folder == todo[len(todo)-1].ref.Folder {
		return todo
	}
	all := slices.Clone(todo)
	slices.SortStableFunc(all, func(a, b *job) int { return a.ref.Date.Compare(b.ref.Date) })
	return all
}

// newestFirst turns the history round: in steps of a month over all folders,
// since a batch is of one folder, and within that folder by folder.
func newestFirst(todo []*job) {
	folders := make(map[string]int)
	places := make(map[*job]int, len(todo))
	for i, j := range todo {
		if _, ok := folders[j.ref.Folder]; !ok {
			folders[j.ref.Folder] = i
		}
		places[j] = i
	}
	slices.SortFunc(todo, func(a, b *job) int {
		if !a.history || !b.history {
			return cmp.Or(boolInt(a.history)-boolInt(b.history), places[a]-places[b])
		}
		return cmp.Or(
			cmp.Compare(month(b), month(a)),
			folders[a.ref.Folder]-folders[b.ref.Folder],
			places[b]-places[a],
		)
	})
}

func month(j *job) int64 {
	if j.ref.Date.IsZero() {
		return math.MinInt64
	}
	return j.ref.Date.Unix() / (30 * 24 * 3600)
}

// ascending sorts a batch of history that is taken newest first: IMAP fetches
// many messages in one go only by rising UIDs.
func ascending(jobs []*job) {
	if jobs[0].history && !jobs[0].suspect {
		slices.SortStableFunc(jobs, func(a, b *job) int { return cmp.Compare(a.ref.UID, b.ref.UID) })
	}
}
