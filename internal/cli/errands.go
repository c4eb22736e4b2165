package cli

import (
	"context"
	"errors"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/account"
)

// errands tells others what they are still to be told after a wipe: Google,
// that a grant has ended. What cannot be told now is told later; it is in the
// store until it is done.
type errands struct {
	*parts
	woken chan struct{}
}

const (
	errandsFirst = 5 * time.Second // after a failure, then twice as long
	errandsMost  = time.Hour       // and between two looks in any case
)

func newErrands(p *parts) *errands { return &errands{p, make(chan struct{}, 1)} }

// wake has them looked at now.
func (e *errands) wake() {
	select {
	case e.woken <- struct{}{}:
	default:
	}
}

// run works on them until ctx ends.
func (e *errands) run(ctx context.Context) {
	pause := errandsFirst
	for {
		next := errandsMost
		if err := e.all(ctx); err != nil && ctx.Err() == nil {
			e.log.Warn("Google could not be told of a wipe", "err", err)
			next, pause = pause, min(2*pause, errandsMost)
		} else {
			pause = errandsFirst
		}
		select {
		case <-time.After(next):
		case <-e.woken:
		case <-ctx.Done():
			return
		}
	}
}

// all tries each once.
func (e *errands) all(ctx context.Context) (errs error) {
	list, err := e.store.Errands(ctx)
	if err != nil {
		return err
	}
	for _, o := range list {
		if o.What != account.GoogleRevoke {
			continue
		}
		err := e.oauth.Revoke(ctx, o.Secret)
		if err == nil {
			err = e.store.ErrandDone(ctx, o.Receipt, o.What)
		}
		if !errors.Is(err, account.ErrNone) { // moot meanwhile: he has connected again
			errs = errors.Join(errs, err)
		}
	}
	return errs
}
