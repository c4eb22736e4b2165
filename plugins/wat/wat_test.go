package wat_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/smtp-sync/smtp-sync/internal/testkit"
	"github.com/smtp-sync/smtp-sync/plugins/wat"
)

// wabt runs wat2wasm of Debian's wabt on a source.
func wabt(t *testing.T, source []byte) []byte {
	t.Helper()
	program, err := exec.LookPath("wat2wasm")
	testkit.Require(t, "wat2wasm", err == nil, "apt-get install wabt")
	folder := t.TempDir()
	in, out := filepath.Join(folder, "a.wat"), filepath.Join(folder, "a.wasm")
	if err := os.WriteFile(in, source, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.CommandContext(t.Context(), program, in, "-o", out).CombinedOutput(); err != nil {
		t.Fatalf("wat2wasm: %v\n%s", err, said)
	}
	wasm, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return wasm
}

func sources(t testing.TB) map[string][]byte {
	t.Helper()
	all := map[string][]byte{"everything": everything()}
	paths, err := filepath.Glob("../shipped/rules/*.wat")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no sources: %v", err)
	}
	for _, path := range paths {
		source, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = source
	}
	return all
}

// An assembler of our own is believed because another one writes the same.
func TestModulesAreThoseOfAnotherAssembler(t *testing.T) {
	t.Parallel()
	for name, source := range sources(t) {
		t.Run(name, func(t *testing.T) {
			got, err := wat.Assemble(source)
			if err != nil {
				t.Fatal(err)
			}
			if want := wabt(t, source); !bytes.Equal(got, want) {
				t.Errorf("%d octets, wat2wasm makes %d others:\n%x\n%x", len(got), len(want), got, want)
			}
		})
	}
}

// everything is a source with all that is spoken, and each instruction once.
func everything() []byte {
	var b strings.Builder
	b.WriteString(`(module (; all (that) is "spoken" ;)
  (import "m" "f" (func $f (param i32 i64) (param $x i32) (result i64)))
  (import "m" "g" (func (param i32)))
  (memory (export "memory") 1 0x10)
  (data (i32.const 0) "a\tb\n\"\\\'\r\00\ff" "é")
  (data (i32.const -1))
  (global $g (mut i64) (i64.const -9_223_372_036_854_775_808))
  (global i32 (i32.const 0xffff_ffff))
  (func $h (export "h") (export "again") (param $a i32) (param i64) (result i32) (local $l i64) (local i64 i32) (local $m i32)
    (block $out (result i32)
      (loop $in
        (br_if $in (i32.eqz (local.get $a)))
        (br_if 0 (local.get 0))
        (br_table $out 1 2 $out (i32.const 7) (local.get $m)))
      unreachable)
    drop
    (if $label (result i32) (i64.eqz (local.get $l)) (then (br $label (i32.const 1))) (else i32.const 64 i32.const -64 i32.add))
    (if (i32.const 128) (then nop) (else))
    (if (then (return (i32.const -2147483648))))
    (block $outer (if $inner (block $c (result i32) (br_if $outer (i32.const 1)) (i32.const 0)) (then (br $inner))))
    (local.set $m (i32.wrap_i64 (call $f (local.get 4) (global.get $g) (i32.const 1))))
    i32.const 5 call 1
    (i32.load8_u offset=0x10 (local.get $m))
    (i64.store16 offset=70000 align=1 (i32.const 0) (i64.const 9223372036854775807))
    (memory.fill (i32.const 0) (i32.const 1) (memory.grow (memory.size)))
    (global.set $g (i64.const 0xffffffffffffffff)))
`)
	type shape struct{ params, result, names string }
	for _, s := range []shape{
		{"i32", "i32", "eqz clz ctz popcnt extend8_s extend16_s"},
		{"i64", "i64", "clz ctz popcnt extend8_s extend16_s extend32_s"},
		{"i64", "i32", "eqz"},
		{"i32 i32", "i32", "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr"},
		{"i64 i64", "i32", "eq ne lt_s lt_u gt_s gt_u le_s le_u ge_s ge_u"},
		{"i64 i64", "i64", "add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr"},
	} {
		types := strings.Fields(s.params)
		for name := range strings.FieldsSeq(s.names) {
			b.WriteString("(func (param " + s.params + ") (result " + s.result + ") (" + types[0] + "." + name)
			for i := range types {
				b.WriteString(" (local.get " + string(rune('0'+i)) + ")")
			}
			b.WriteString("))\n")
		}
	}
	for name := range strings.FieldsSeq("i32.load i32.load8_s i32.load8_u i32.load16_s i32.load16_u i64.load i64.load8_s i64.load8_u i64.load16_s i64.load16_u i64.load32_s i64.load32_u") {
		b.WriteString("(func (result " + name[:3] + ") (" + name + " (i32.const 0)))\n")
	}
	for name := range strings.FieldsSeq("i32.store i32.store8 i32.store16 i64.store i64.store8 i64.store16 i64.store32") {
		b.WriteString("(func (" + name + " (i32.const 0) (" + name[:3] + ".const 1)))\n")
	}
	b.WriteString(`(func (result i64) (i64.add (i64.extend_i32_s (i32.const 1)) (i64.extend_i32_u (i32.const 1))))
  (func (result i32) (local i32) (select (i32.const 1) (local.tee 0 (i32.const 2)) (i32.const 3)))
  (func (memory.copy (i32.const 1) (i32.const 2) (i32.const 3))))`)
	return []byte(b.String())
}

func TestAMistakeIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	in := func(body string) string { return "(module\n(func $f (param $a i32)\n" + body + "))" }
	for _, c := range []struct{ source, says string }{
		{"", "line 1: a source is one (module …)"},
		{"(module) (module)", "line 1: a source is one"},
		{"(module\n(func", "line 2: the source ends within a list"},
		{"(module))", "line 1: there is a ) too many"},
		{"(module (; never", "does not end"},
		{"(module\n\n ; x\n)", "line 3: there is a ; outside"},
		{"(module (data (i32.const 0) \"abc))", "a string does not end"},
		{"(module (data (i32.const 0) \"\\q\"))", "unknown escape"},
		{"(module (data (i64.const 0) \"\"))", "i32.const number"},
		{"(module (table 1))", `("table" …) is not known in a module`},
		{"(module (memory 1) (memory 1))", "one (memory pages)"},
		{"(module (func $a) (func $a))", "$a is there already"},
		{"(module (func) (import \"a\" \"b\" (func)))", "before the functions"},
		{"(module (func (param f32)))", `"f32" is no type`},
		{in("(i32.const 4294967296)"), "line 3: \"4294967296\" is no number of 32 bits"},
		{in("(i32.const)"), "line 3: i32.const lacks"},
		{in("(call $g)"), "line 3: \"$g\" is not defined"},
		{in("(local.get 1)"), "line 3: \"1\" is not defined"},
		{in("(br 2)"), "line 3: \"2\" is not defined"},
		{in("(block $b) (br $b)"), "line 3: \"$b\" is not defined"},
		{in("(f32.const 1)"), `"f32.const" is no instruction here`},
		{in("block end"), "written folded"},
		{in("(if (local.get 0))"), "an if is"},
		{in("()"), "nothing in ()"},
		{in("(i32.load align=3 (i32.const 0))"), "power of two"},
		{in("(i32.load align=8 (i32.const 0))"), "power of two"},
		{strings.Repeat("(", 300), "nested more than 200 deep"},
	} {
		wasm, err := wat.Assemble([]byte(c.source))
		if _, ours := errors.AsType[*wat.Error](err); wasm != nil || !ours || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.60q: %v, want … %q", c.source, err, c.says)
		}
	}
}

// Whatever the source: a module, or an *Error.
func FuzzAssemble(f *testing.F) {
	for _, source := range sources(f) {
		f.Add(string(source))
	}
	f.Fuzz(func(t *testing.T, source string) {
		wasm, err := wat.Assemble([]byte(source))
		if _, ours := errors.AsType[*wat.Error](err); (err == nil) == (wasm == nil) || err != nil && !ours {
			t.Fatalf("%d octets, %v", len(wasm), err)
		}
	})
}
