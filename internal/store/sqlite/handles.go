package sqlite

import (
	"context"
	"errors"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// handles keeps users' databases open, those that were used of late.
type handles struct {
	store *Store
	most  int
	mu    sync.Mutex
	idle  sync.Cond // somebody has let go
	open  map[id.User]*handle
	clock uint64 // counts uses
	shut  bool
}

// handle is a user's database for as long as somebody uses it.
type handle struct {
	user id.User
	at   uint64 // when it was used last, by the clock of uses
	uses int
	gone bool // wiped or closed: not to be used again

	once sync.Mutex // one opens it, the others wait
	db   *userDB
}

func (h *handles) init(s *Store, most int) {
	if most <= 0 {
		most = 1024
	}
	h.store, h.most = s, most
	h.idle.L = &h.mu
	h.open = map[id.User]*handle{}
}

// use runs f with the user's database, opened if need be. If there is no such
// user, or he was wiped, it fails with errGone.
func (h *handles) use(ctx context.Context, user id.User, f func(*userDB) error) error {
	return h.with(ctx, user, false, f)
}

// aside is use for who passes by, from one user to the next: a database that was
// opened for that alone is closed afterwards, instead of crowding out others.
func (h *handles) aside(ctx context.Context, user id.User, f func(*userDB) error) error {
	return h.with(ctx, user, true, f)
}

func (h *handles) with(ctx context.Context, user id.User, aside bool, f func(*userDB) error) error {
	u, old, err := h.acquire(user)
	if err != nil {
		return err
	}
	defer h.release(u)
	for _, o := range old {
		_ = o.db.close() // all that it was asked to keep is durable already
	}
	u.once.Lock()
	fresh := u.db == nil
	if fresh {
		u.db, err = h.store.openUser(ctx, user, false)
	}
	db := u.db
	u.once.Unlock()
	if err != nil {
		return err
	}
	if aside && fresh {
		defer h.shutAlone(u)
	}
	return f(db)
}

// shutAlone closes the database of a handle in use, unless others use it too.
// Who comes meanwhile waits, and opens it anew.
func (h *handles) shutAlone(u *handle) {
	u.once.Lock()
	defer u.once.Unlock()
	h.mu.Lock()
	db := u.db
	if u.uses > 1 {
		db = nil
	} else {
		u.db = nil
	}
	h.mu.Unlock()
	if db != nil {
		_ = db.close()
	}
}

// acquire marks the user's handle as used and gives those that must be closed
// to make room. If all are in use there are more than wanted for a while.
func (h *handles) acquire(user id.User) (u *handle, old []*handle, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shut {
		return nil, nil, errGone
	}
	u = h.open[user]
	if u == nil {
		u = &handle{user: user}
		h.open[user] = u
	}
	if u.gone {
		return nil, nil, errGone
	}
	u.uses++
	h.clock++
	u.at = h.clock
	for len(h.open) > h.most {
		o := h.spare()
		if o == nil {
			break
		}
		delete(h.open, o.user)
		if o.db != nil {
			old = append(old, o)
		}
	}
	return u, old, nil
}

// spare gives one that nobody uses: of a few, met by chance, the one that was
// used longest ago. The one of all would be the worst choice where a few users
// more than there is room for come by in turn: always the next to be asked for.
func (h *handles) spare() (found *handle) {
	few := 4
	for _, o := range h.open {
		if o.uses > 0 || o.gone { // who is being wiped is not to be opened anew
			continue
		}
		if found == nil || o.at < found.at {
			found = o
		}
		if few--; few == 0 {
			break
		}
	}
	return found
}

func (h *handles) release(u *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u.uses--
	if u.uses == 0 && u.db == nil && !u.gone {
		delete(h.open, u.user) // it could not be opened
	}
	if u.gone {
		h.idle.Broadcast()
	}
}

// retire refuses the user to everybody, waits until nobody uses his database
// and closes it. forget lets the name be used again.
func (h *handles) retire(user id.User) (forget func(), err error) {
	h.mu.Lock()
	u := h.open[user]
	if u == nil {
		u = &handle{user: user}
		h.open[user] = u
	}
	u.gone = true
	for u.uses > 0 {
		h.idle.Wait()
	}
	db := u.db
	u.db = nil
	h.mu.Unlock() // a database takes a while to close; others have work
	if db != nil {
		err = db.close()
	}
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.open[user] == u {
			delete(h.open, u.user)
		}
	}, err
}

// close refuses everything from now on and closes all databases.
func (h *handles) close() error {
	if h.store == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.shut = true
	var errs []error
	for _, u := range h.open {
		u.gone = true
		for u.uses > 0 {
			h.idle.Wait()
		}
		if u.db != nil {
			errs = append(errs, u.db.close())
		}
	}
	clear(h.open)
	return errors.Join(errs...)
}
