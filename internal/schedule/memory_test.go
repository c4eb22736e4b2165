package schedule_test

import (
	"hash/fnv"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/account"
	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/schedule"
	"github.com/smtp-sync/smtp-sync/internal/schedule/scheduletest"
)

type memory struct{ *schedule.Memory }

func (m memory) Registry(*testing.T) scheduletest.Registry { return m.Memory }
func (m memory) User(*testing.T) id.User                   { return id.New[id.User]() }
func (m memory) Mailbox(_ *testing.T, u id.User, host string, port int) id.Mailbox {
	h := fnv.New64()
	h.Write([]byte(net.JoinHostPort(strings.ToLower(host), strconv.Itoa(port))))
	r := schedule.Registered{User: u, Mailbox: id.New[id.Mailbox](), Lane: h.Sum64()}
	m.Register(r)
	return r.Mailbox
}
func (m memory) Wipe(_ *testing.T, _ id.User, box id.Mailbox) { m.Forget(box) }
func (m memory) Reopen(*testing.T)                            {}

func TestMemoryKeepsTheRulesOfARegistry(t *testing.T) {
	t.Parallel()
	scheduletest.Run(t, func(*testing.T) scheduletest.World {
		return memory{&schedule.Memory{None: account.ErrNone}}
	})
}
