package audit_test

import (
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/audit"
	"github.com/smtp-sync/smtp-sync/internal/audit/audittest"
	"github.com/smtp-sync/smtp-sync/internal/id"
)

func TestMemoryKeepsTheRulesOfTheLog(t *testing.T) {
	t.Parallel()
	audittest.Run(t, func(*testing.T) audittest.World { return &world{} })
}

type world struct{ m audit.Memory }

func (w *world) Log(*testing.T) audittest.Log                  { return &w.m }
func (w *world) User(*testing.T) id.User                       { return id.New[id.User]() }
func (w *world) Mailbox(*testing.T, id.User) id.Mailbox        { return id.New[id.Mailbox]() }
func (w *world) Append(_ *testing.T, u id.User, e audit.Entry) { w.m.Append(u, e) }
