package gate_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

// Modules that were right, with a few octets changed, cut out or doubled: each
// is refused or can be metered. SMTP_SYNC_TEST_MUTATIONS asks for more of them.
func TestMutatedModulesAreRefusedOrMetered(t *testing.T) {
	t.Parallel()
	n := 20_000
	if more, err := strconv.Atoi(os.Getenv("SMTP_SYNC_TEST_MUTATIONS")); err == nil {
		n = more
	}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	passed := 0
	var origin []byte
	for i := range n {
		if i%100 == 0 {
			if origin = gatetest.Random(r).Bytes(); i%300 == 0 {
				origin = gatetest.Rule().Bytes()
			}
		}
		wasm := mutate(r, origin)
		m, err := gate.Check(wasm, abi)
		if err != nil {
			if _, ok := errors.AsType[*gate.Refusal](err); !ok {
				t.Fatal(err)
			}
			continue
		}
		passed++
		if _, err := m.Meter(abi, gate.MaxPages); err != nil {
			t.Fatalf("passed and cannot be metered: %v: %x", err, wasm)
		}
	}
	t.Logf("%d of %d passed", passed, n)
	if passed < n/10 {
		t.Errorf("%d of %d passed: too few to say anything of metering", passed, n)
	}
}

func mutate(r *rand.Rand, wasm []byte) []byte {
	b := bytes.Clone(wasm)
	for range 1 + r.IntN(3) {
		at := r.IntN(len(b))
		switch r.IntN(8) {
		case 0:
			b = append(b[:at], b[min(at+1+r.IntN(4), len(b)):]...)
		case 1:
			b = append(b[:at:at], append([]byte{b[at]}, b[at:]...)...)
		case 2:
			b[at] ^= 1 << r.IntN(8)
		case 3:
			b[at] = byte(r.Uint32())
		default: // in the code, by something near: what stays well formed more often
			at = len(b)/3 + r.IntN(len(b)-len(b)/3)
			b[at] += byte(r.IntN(3)) - 1
		}
		if len(b) == 0 {
			return b
		}
	}
	return b
}
