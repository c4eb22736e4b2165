package sqlite

import (
	"container/list"
	"context"
	"errors"
	"sync"

	"github.com/smtp-sync/smtp-sync/internal/id"
)

// handles keeps users' databases open, the most recently used ones.
type handles struct {
	store *Store
	most  int
	mu    sync.Mutex
	idle  sync.Cond // somebody has let go
	open  map[id.User]*handle
	order *list.List // of *handle, the most recently used in front
	shut  bool
}

// handle is a user's database for as long as somebody uses it.
type handle struct {
	user id.User
	at   *list.Element
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
	h.open, h.order = map[id.User]*handle{}, list.New()
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
		u.at = h.order.PushFront(u)
		h.open[user] = u
	}
	if u.gone {
		return nil, nil, errGone
	}
	u.uses++
	h.order.MoveToFront(u.at)
	for e := h.order.Back(); e != nil && len(h.open) > h.most; {
		o := e.Value.(*handle)
		e = e.Prev()
		if o.uses == 0 && !o.gone { // who is being wiped is not to be opened anew
			h.drop(o)
			if o.db != nil {
				old = append(old, o)
			}
		}
	}
	return u, old, nil
}

func (h *handles) drop(u *handle) {
	delete(h.open, u.user)
	h.order.Remove(u.at)
}

func (h *handles) release(u *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	u.uses--
	if u.uses == 0 && u.db == nil && !u.gone {
		h.drop(u) // it could not be opened
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
		u.at = h.order.PushFront(u)
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
			h.drop(u)
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
