package postgres

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/smtp-sync/smtp-sync/internal/id"
	"github.com/smtp-sync/smtp-sync/internal/rules"
	"github.com/smtp-sync/smtp-sync/internal/session"
)

// TestNoTableHasAWordAboutAnybody: no address, host, domain, name or secret is in any
// table in the clear, in those that belong to no door neither.
func TestNoTableHasAWordAboutAnybody(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	s := i.open(t, Options{})
	f := fill(t, s, "MARK")
	_, err := s.WipeGrant(t.Context(), f.user) // an errand with the token in it
	ok(t, err)
	searched := 0
	for name, rows := range i.rowsOf(t, id.User{}) {
		for _, row := range rows {
			searched++
			for _, word := range append([]string{f.mark, strings.ToLower(f.mark), "example.org"}, f.secrets...) {
				if strings.Contains(row, word) || strings.Contains(row, hex.EncodeToString([]byte(word))) {
					t.Errorf("%s has %q in the clear", name, word)
				}
			}
		}
	}
	if searched < 20 {
		t.Errorf("only %d rows were searched", searched)
	}
}

// ofNobody are the methods that name no user. A new one takes a user, or is added
// here: what it gives tells nothing about anybody.
var ofNobody = []string{"All", "Clean", "Close", "CountUsers", "Days", "DropExpired", "Due", "EnsureUser", "ErrandDone", "ErrandFailed", "Errands",
	"FindSession", "FindToken", "FindUser", "FinishWipes", "Key", "Ping", "Receipt", "RegisterMany", "SignIn", "Signal", "SignalDone", "Signals", "Swept",
	"TakeSignals", "ToSweep", "UseOnce", "Users"}

// args makes what a method is called with: as one user, of the other's things.
func (f *filled) args(method reflect.Type, as id.User) (in []reflect.Value) {
	for in0 := range method.Ins() {
		switch want := in0; want {
		case reflect.TypeFor[context.Context]():
			in = append(in, reflect.ValueOf(context.Background()))
		case reflect.TypeFor[id.User]():
			in = append(in, reflect.ValueOf(as))
		case reflect.TypeFor[id.Mailbox]():
			in = append(in, reflect.ValueOf(f.box))
		case reflect.TypeFor[id.Rule]():
			in = append(in, reflect.ValueOf(f.rule))
		case reflect.TypeFor[id.Audit]():
			in = append(in, reflect.ValueOf(f.line))
		case reflect.TypeFor[rules.Digest]():
			in = append(in, reflect.ValueOf(f.module))
		case reflect.TypeFor[session.TokenID]():
			in = append(in, reflect.ValueOf(f.token))
		case reflect.TypeFor[session.ID]():
			in = append(in, reflect.ValueOf(f.session))
		case reflect.TypeFor[string]():
			in = append(in, reflect.ValueOf(requestKey))
		case reflect.TypeFor[time.Time]():
			in = append(in, reflect.ValueOf(time.Now().Add(time.Hour)))
		default:
			in = append(in, f.value(want))
		}
	}
	return in
}

// value names the other's things where a structure or a map may.
func (f *filled) value(want reflect.Type) reflect.Value {
	v := reflect.New(want).Elem()
	switch want.Kind() {
	case reflect.Struct:
		for n := range want.NumField() {
			if !want.Field(n).IsExported() {
				continue
			}
			switch field := v.Field(n); field.Interface().(type) {
			case id.Mailbox:
				field.Set(reflect.ValueOf(f.box))
			case []id.Mailbox:
				field.Set(reflect.ValueOf([]id.Mailbox{f.box}))
			case id.Rule:
				field.Set(reflect.ValueOf(f.rule))
			}
		}
	case reflect.Map:
		if want.Key() == reflect.TypeFor[id.Rule]() {
			v.Set(reflect.MakeMap(want))
			v.SetMapIndex(reflect.ValueOf(f.rule), reflect.New(want.Elem()).Elem())
		}
	}
	return v
}

// told gives all that a method has answered, as text.
func told(out []reflect.Value) string {
	var b strings.Builder
	for _, v := range out {
		if v.Kind() == reflect.Func && v.Type().CanSeq2() {
			for x, err := range v.Seq2() {
				fmt.Fprintf(&b, "%+v %v ", x.Interface(), err.Interface())
			}
			continue
		}
		text, _ := json.Marshal(v.Interface()) // not everything can be
		fmt.Fprintf(&b, "%+v %s ", v.Interface(), text)
	}
	return b.String()
}

// TestNoMethodLeavesItsUser calls every exported method that takes a user as
// another, and as nobody, with all that it takes of the first one's: it tells
// nothing of him, and changes no row of his.
func TestNoMethodLeavesItsUser(t *testing.T) {
	t.Parallel()
	i := newInstallation(t)
	s := i.open(t, Options{})
	f := fill(t, s, "MARK")
	before := i.rowsOf(t, f.user)
	if len(before) < 15 {
		t.Fatalf("rows are in %d tables only: %v", len(before), slices.Sorted(maps.Keys(before)))
	}
	all, called := reflect.TypeFor[*Store](), 0
	for n := range all.NumMethod() {
		name, method := all.Method(n).Name, reflect.ValueOf(s).Method(n)
		takes := false
		for in := range method.Type().Ins() {
			takes = takes || in == reflect.TypeFor[id.User]()
		}
		if listed := slices.Contains(ofNobody, name); !takes || listed {
			if !listed {
				t.Errorf("%s takes no user and is not named as such", name)
			}
			continue
		}
		for who, as := range map[string]id.User{"another": newUser(t, s), "nobody": {}, "somebody unknown": id.New[id.User]()} {
			called++
			if text := told(method.Call(f.args(method.Type(), as))); strings.Contains(text, f.mark) {
				t.Errorf("%s tells %s: %s", name, who, text)
			}
		}
		if after := i.rowsOf(t, f.user); !reflect.DeepEqual(after, before) {
			t.Errorf("%s has changed a row of another", name)
			before = after
		}
	}
	if called < 100 {
		t.Errorf("only %d calls", called)
	}
}
