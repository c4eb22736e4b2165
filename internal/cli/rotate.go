package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/config"
	"github.com/smtp-sync/smtp-sync/internal/store/sqlite"
	"github.com/smtp-sync/smtp-sync/internal/vault"
)

type keysRotateCmd struct {
	Here bool `help:"Wrap the keys in this process instead of the service: for a time when none runs. On SQLite that is found out."`
}

// unheeded is how long an order may make no progress before nobody seems to
// follow it.
const unheeded = time.Minute

// Run makes a master key, unless the newest has work to do still, and orders
// every key to be wrapped under it. The service does that, which knows what it
// wipes meanwhile; where none runs, this process. Whatever is cut off goes on
// when it is run again.
func (c keysRotateCmd) Run(a *app) error {
	cfg, err := config.Load(a.env, a.file)
	if err != nil {
		return err
	}
	k, err := a.openKeys(a.ctx, cfg, false)
	if err != nil {
		return err
	}
	defer k.close()
	count, err := k.Census(a.ctx)
	if err != nil {
		return err
	}
	if err := k.known(count); err != nil {
		return err
	}
	if count[k.MasterIDs()[0]] == total(count) {
		made, err := k.another(a)
		if err != nil || !made {
			return err
		}
	}
	for {
		if err := k.OrderRotation(a.ctx); err != nil {
			return err
		}
		if err := c.obeyed(a, cfg, k); err != nil {
			return err
		}
		if count, err = k.Census(a.ctx); err != nil {
			return err
		}
		if count[k.MasterIDs()[0]] == total(count) {
			k.standing(count, func(line string, _ bool) { a.printf("%s\n", line) })
			return nil
		}
	}
}

func total(count map[string]int) (n int) {
	for _, under := range count {
		n += under
	}
	return n
}

// known refuses to rotate what cannot be opened.
func (k *keystore) known(count map[string]int) error {
	if total(count) == 0 {
		return usageError{fmt.Errorf("there is nothing to wrap anew: no key was ever made %s", k.at())}
	}
	for _, master := range slices.Sorted(maps.Keys(count)) {
		if !slices.Contains(k.MasterIDs(), master) {
			return usageError{fmt.Errorf("%d keys lie under master key %s, which is not among those given: add it to the end of %s", count[master], master, k.mastersAt())}
		}
	}
	return nil
}

// another puts a new master key in front of the others. Where the configuration
// has them that is for the operator: made is false if there is nothing to do.
func (k *keystore) another(a *app) (made bool, err error) {
	ids := k.MasterIDs()
	switch {
	case k.file != "":
		if _, err := vault.AddToFile(k.file, ids[0]); err != nil {
			return false, err
		}
		if err := k.Reload(); err != nil {
			return false, err
		}
		a.printf("master key %s is now the first in %s\n", k.MasterIDs()[0], k.file)
		return true, nil
	case len(ids) == 1:
		return false, usageError{errors.New("SMTPSYNC_MASTER_KEY holds one key: put a new one from smtp-sync keys generate before it, " +
			"as NEW,OLD, start the service with both (several nodes: first all with OLD,NEW), then run this again")}
	}
	count, err := k.Census(a.ctx)
	if err == nil {
		k.standing(count, func(line string, _ bool) { a.printf("%s\n", line) })
	}
	return false, err
}

// obeyed returns when the order is carried out.
func (c keysRotateCmd) obeyed(a *app, cfg *config.Config, k *keystore) error {
	count, err := k.Census(a.ctx)
	if err != nil {
		return err
	}
	newest, all := k.MasterIDs()[0], total(count)
	moved, looked := time.Now(), time.Time{}
	for {
		here := c.Here
		if dir, err := cfg.Store(); err == nil && !here {
			busy, err := sqlite.InUse(dir)
			if err != nil {
				return err
			}
			here = !busy
		}
		if here {
			_, err := k.Rotate(a.ctx)
			return err
		}
		to, err := k.RotationOrdered(a.ctx)
		if err != nil || to != newest {
			return err
		}
		// Looking at a million keys takes a while: not more often than it is worth.
		if since := time.Since(looked); since > 5*time.Second {
			began, before := time.Now(), count[newest]
			if count, err = k.Census(a.ctx); err != nil {
				return err
			}
			if count[newest] != before {
				moved = time.Now()
			}
			looked = time.Now().Add(10 * time.Since(began))
			a.printf("the service wraps: %d of %d keys lie under master key %s\n", count[newest], all, newest)
		}
		if time.Since(moved) > unheeded {
			return undone{fmt.Sprintf("nobody has wrapped a key for %v: the order stays, and is followed by a service that has master key %s; what keeps one from it is in its log", unheeded, newest)}
		}
		if !wait(a.ctx, time.Second) {
			return context.Cause(a.ctx)
		}
	}
}
