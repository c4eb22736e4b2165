package account_test

import (
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/account/accounttest"
)

func TestMemoryKeepsTheRulesOfAccounts(t *testing.T) {
	t.Parallel()
	accounttest.Run(t, func(*testing.T) (accounttest.Store, func() accounttest.Store) {
		s := new(account.Memory)
		return s, func() accounttest.Store { return s }
	})
}
