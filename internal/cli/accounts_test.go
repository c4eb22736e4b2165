package cli

import (
	"context"
	"errors"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/bridge"
	"github.com/smtp-sync/smtp-sync/internal/ledger"
)

// listings is a ledger that is told what is listed.
type listings struct {
	bridge.Ledger
	n int
}

func (l *listings) Listed(context.Context, []ledger.Key, []ledger.Key) error { l.n++; return nil }

func TestTheDigestIsForgottenOnceInAPass(t *testing.T) {
	t.Parallel()
	books, tries, failed := &listings{}, 0, errors.New("disk full")
	m := &marked{Ledger: books, forget: func(context.Context) error {
		if tries++; tries == 1 {
			return failed
		}
		return nil
	}}
	if err := m.Listed(t.Context(), nil, nil); !errors.Is(err, failed) || books.n != 0 {
		t.Errorf("listed with a digest that is not forgotten: %v, %d", err, books.n)
	}
	for range 5 {
		if err := m.Listed(t.Context(), nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	if tries != 2 || books.n != 5 {
		t.Errorf("%d writes for %d folders", tries-1, books.n)
	}
}
