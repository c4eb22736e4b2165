package e2e

import (
	"io"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/internal/testkit/dovecot"
)

func copyTo(w io.Writer, r io.Reader) (int64, error) { return io.Copy(w, r) }

// A Dovecot for tests that need a maildrop of their own and little of it.
type commonDovecot struct {
	*dovecot.Server
	users atomic.Int64
}

var common struct {
	sync.Mutex
	d   *commonDovecot
	dir string
}

// sharedDovecot gives the one server of the package; TestMain stops it.
func sharedDovecot(t *testing.T) *commonDovecot {
	t.Helper()
	common.Lock()
	defer common.Unlock()
	if common.d != nil {
		return common.d
	}
	dir, err := os.MkdirTemp("", "dovecot")
	if err != nil {
		t.Fatal(err)
	}
	d, err := dovecot.Launch(dir)
	if err != nil {
		_ = os.RemoveAll(dir)
		testkit.Require(t, err.Error(), false, "see above")
	}
	// All at once and before the first login: Dovecot may look at its list of
	// users only when the time of the file says that it has changed.
	for i := range commonUsers {
		if err := d.AddUser(userName(i+1), password); err != nil {
			t.Fatal(err)
		}
	}
	common.d, common.dir = &commonDovecot{Server: d}, dir
	return common.d
}

func stopShared() {
	common.Lock()
	defer common.Unlock()
	if common.d != nil {
		common.d.Stop()
		_ = os.RemoveAll(common.dir)
	}
}

const commonUsers = 600

func userName(n int) string { return "u" + strconv.Itoa(n) }

// user gives a user that nobody else has, with this mail.
func (d *commonDovecot) user(t *testing.T, raws [][]byte) string {
	t.Helper()
	n := int(d.users.Add(1))
	if n > commonUsers {
		t.Fatalf("more than %d users: raise commonUsers", commonUsers)
	}
	name := userName(n)
	if err := d.Deliver(name, "", raws...); err != nil {
		t.Fatal(err)
	}
	return name
}

// orFail fails unless the process left nothing undone.
func (r result) orFail(t testing.TB) {
	t.Helper()
	if r.code != 0 {
		t.Errorf("exit %d, %+v\n%s", r.code, r.report, r.stderr)
	}
}
