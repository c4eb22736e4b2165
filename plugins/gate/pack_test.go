package gate_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/smtp-sync/smtp-sync/plugins/gate"
	"github.com/smtp-sync/smtp-sync/plugins/gate/gatetest"
)

func TestAModuleIsPackedWithOneManifest(t *testing.T) {
	t.Parallel()
	m := gatetest.Filter(0x42, 0)
	bare := m.Bytes()
	m.Custom = map[string][]byte{"name": {0}}
	named := m.Bytes()
	long := bytes.Repeat([]byte{' '}, gate.MaxManifest)
	for _, module := range [][]byte{bare, named} {
		packed := module
		for _, manifest := range [][]byte{[]byte(`{}`), []byte(`{"a":1}`), long} { // the last one is the one that stays
			before := bytes.Clone(packed)
			again, err := gate.Pack(packed, manifest)
			if err != nil || !bytes.Equal(before, packed) {
				t.Fatalf("pack: %v, or it wrote into what it was given", err)
			}
			checked, err := gate.Check(again, abi)
			if err != nil || !bytes.Equal(checked.Manifest, manifest) || !bytes.HasPrefix(again, module) {
				t.Errorf("packed with %d octets: %v", len(manifest), err)
			}
			packed = again
		}
	}
	for name, c := range map[string]struct {
		wasm, manifest []byte
		want           gate.Code
	}{
		"no module":           {[]byte("hello"), nil, gate.NotWasm},
		"a section is cut":    {bare[:len(bare)-1], nil, gate.Malformed},
		"a manifest too long": {bare, append(long, ' '), gate.TooLarge},
		"a name is cut":       {append(bytes.Clone(bare), 0, 1, 5), nil, gate.Malformed},
	} {
		packed, err := gate.Pack(c.wasm, c.manifest)
		if refusal, ok := errors.AsType[*gate.Refusal](err); packed != nil || !ok || refusal.Code != c.want {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}
