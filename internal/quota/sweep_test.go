package quota

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/mail"
)

func TestMemoryFollowsTheUsersAtWorkAndForgetsNoneOfThem(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := New(Limits{UnitsPerUserMinute: 100}, nil)
		held := p.Budget(id.New[id.User]())
		until := time.Now().Add(20 * time.Hour)
		held.Throttled(&mail.Fault{Class: mail.RateLimited, Scope: "user", Until: until})
		for range 1000 {
			for range 10 {
				b := p.Budget(id.New[id.User]())
				if n, err := b.Reserve(t.Context(), make([]int64, 9)); n != 4 || err != nil {
					t.Fatalf("Reserve = %d, %v", n, err)
				}
			}
			time.Sleep(10 * time.Second)
		}
		busy := p.Budget(id.New[id.User]())
		_, _ = busy.Reserve(t.Context(), make([]int64, 4))
		for range 300 {
			_, _ = p.Budget(id.New[id.User]()).Reserve(t.Context(), make([]int64, 4))
		}
		for name, b := range map[string]*Budget{"throttled": held, "busy": busy} {
			if n, err := b.Reserve(t.Context(), make([]int64, 1)); err == nil {
				t.Errorf("the %s user was forgotten and granted %d", name, n)
			}
		}
		if got := len(p.users); got > 1000 {
			t.Errorf("accounts in memory after 10,000 users = %d, want about those of the last minute", got)
		}
	})
}
