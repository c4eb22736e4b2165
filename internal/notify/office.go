package notify

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/session"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

// Notifier delivers letters in one way. It may be used by many goroutines at
// once.
type Notifier interface {
	// Name is kept with what was delivered: it never changes.
	Name() string
	// Mails reports a way that needs the address of the user.
	Mails() bool
	// Send delivers a letter, or says with a *mail.Fault why not: Refused means
	// that this address takes none, Setup that the operator has to do something,
	// anything else that it is to be tried again.
	Send(ctx context.Context, l Letter) error
}

// Store is where users, their mailboxes and what they were told are. Who or what
// is not there (any more) is account.ErrNone.
type Store interface {
	// Watched gives up to most users whose time has come, and that time: who has
	// waited longest first.
	Watched(ctx context.Context, now time.Time, most int) ([]Watch, error)
	// Rewatch sets the time of a user anew, unless it was set meanwhile; zero: he
	// is not to be looked at before something happens.
	Rewatch(ctx context.Context, w Watch, next time.Time) error

	// Notices changes what a user was told. The change is made in one
	// transaction; it may be tried twice, and must not use the store.
	Notices(ctx context.Context, user id.User, change func(*Memory)) error

	Person(ctx context.Context, user id.User) (account.Person, error)
	Profile(ctx context.Context, user id.User) (account.Profile, error)
	Access(ctx context.Context, user id.User) (account.Access, error)
	SignedUp(ctx context.Context, user id.User) (bool, error)
	Mailboxes(ctx context.Context, user id.User) ([]account.Mailbox, error)
	Schedule(ctx context.Context, user id.User, box id.Mailbox) (schedule.State, error)
	Standing(ctx context.Context, user id.User) (map[id.Mailbox]audit.Tally, error)
	Sessions(ctx context.Context, user id.User) ([]session.Session, error)
}

// Watch is a user, and when he is to be looked at.
type Watch struct {
	User id.User
	At   time.Time
}

// Options of an Office; all but Wipe are required.
type Options struct {
	Store     Store
	Notifiers []Notifier
	Site      string       // the public address, without a slash at its end
	Key       vault.Secret // for addresses that end notices
	Log       *slog.Logger
	// Wipe wipes a user who was inactive for too long; nil: nobody is.
	Wipe func(ctx context.Context, user id.User) error
}

// Office tells users what they want to know.
type Office struct {
	o     Options
	turn  sync.Mutex           // one Run at a time
	hold  map[string]time.Time // Notifiers that do not answer, and until when they are left alone
	links links

	leaving sync.WaitGroup // Farewells
	stop    context.CancelFunc
	base    context.Context
}

// New makes an office. It does nothing by itself: see Run.
func New(o Options) *Office {
	f := &Office{o: o, hold: map[string]time.Time{}, links: links{o.Key}}
	f.base, f.stop = context.WithCancel(context.Background())
	return f
}

// Close waits for farewells under way, until ctx ends.
func (f *Office) Close(ctx context.Context) {
	stop := context.AfterFunc(ctx, f.stop)
	defer stop()
	f.leaving.Wait()
	f.stop()
}

const some = 100 // users between two looks at who is due

// Run looks at every user whose time has come, tells what there is to tell, and
// returns when nobody is due any more. What fails for one user is tried again
// later, and is in nobody else's way.
func (f *Office) Run(ctx context.Context) error {
	f.turn.Lock()
	defer f.turn.Unlock()
	until := time.Now() // who is due again at once has his turn in the next run
	for ctx.Err() == nil {
		due, err := f.o.Store.Watched(ctx, until, some)
		if err != nil || len(due) == 0 {
			return err
		}
		for _, w := range due {
			next, err := f.look(ctx, w.User)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case errors.Is(err, account.ErrNone):
				next = time.Time{}
			case err != nil:
				f.o.Log.Error("notices of a user not looked at", "user", w.User, "err", err)
				next = time.Now().Add(time.Hour)
			}
			if !next.IsZero() && !next.After(until) {
				next = until.Add(time.Second)
			}
			if err := f.o.Store.Rewatch(ctx, w, next); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// look decides about one user and delivers what there is. next is when to look
// again.
func (f *Office) look(ctx context.Context, user id.User) (next time.Time, err error) {
	facts, err := f.facts(ctx, user)
	if err != nil {
		return next, err
	}
	var out Outcome
	var m Memory
	err = f.o.Store.Notices(ctx, user, func(is *Memory) {
		out = Decide(is, facts.Facts)
		is.Outbox = append(is.Outbox, out.Notices...)
		m = *is
	})
	if err != nil {
		return next, err
	}
	if out.Wipe && f.o.Wipe != nil {
		f.o.Log.Info("a user who was inactive is wiped", "user", user)
		return next, f.o.Wipe(ctx, user)
	}
	again, err := f.deliver(ctx, user, m, facts)
	return earlier(out.Wake, again), err
}

// facts are what Decide and the texts need.
type facts struct {
	Facts
	boxes map[id.Mailbox]string // names
	email string
}

func (f *Office) facts(ctx context.Context, user id.User) (out facts, err error) {
	s := f.o.Store
	out.boxes = map[id.Mailbox]string{}
	p, err := s.Profile(ctx, user)
	if err != nil {
		return out, err
	}
	out.Now, out.Wants, out.Zone = time.Now(), WantsOf(p), zoneOf(p)
	if out.Signed, err = s.SignedUp(ctx, user); err != nil {
		return out, err
	}
	who, err := s.Person(ctx, user)
	if err != nil && !errors.Is(err, account.ErrNone) {
		return out, err
	}
	out.email = who.Email
	for _, n := range f.o.Notifiers {
		out.Mailed = out.Mailed || n.Mails()
	}
	access, err := s.Access(ctx, user)
	if err != nil {
		return out, err
	}
	standing, err := s.Standing(ctx, user)
	if err != nil {
		return out, err
	}
	boxes, err := s.Mailboxes(ctx, user)
	if err != nil {
		return out, err
	}
	for _, m := range boxes {
		st, err := s.Schedule(ctx, user, m.ID)
		if errors.Is(err, account.ErrNone) {
			continue
		}
		if err != nil {
			return out, err
		}
		tally := standing[m.ID]
		out.Boxes = append(out.Boxes, Box{ID: m.ID, Host: m.Host, State: st,
			Refused: int64(tally["refused"].Messages), Doubtful: int64(tally["doubtful"].Messages)})
		out.boxes[m.ID] = nameOf(m)
		out.Active = out.Active || access.Status == account.Active && st.Phase != schedule.Paused
	}
	logins, err := s.Sessions(ctx, user)
	for _, l := range logins {
		out.Sessions = append(out.Sessions, Session{ID: l.ID.String(), Client: l.Client, Created: l.Created})
	}
	return out, err
}

func nameOf(m account.Mailbox) string {
	if m.Name != "" {
		return m.Name
	}
	return m.Username
}
