package text

import "testing"

func TestPlaceholdersAndPlurals(t *testing.T) {
	was := catalog
	defer func() { catalog = was }()
	catalog = parse("# c\n\na.x = plain\na.y = {n} of {who}\na.z.one = one message\na.z.other = {n} messages\nstate.idle = Quiet\n")
	for _, c := range []struct {
		key   string
		pairs []any
		want  string
	}{
		{"a.x", nil, "plain"}, {"a.y", []any{"n", 2, "who", "{n}<b>"}, "2 of {n}<b>"}, {"a.z", []any{"n", 1}, "one message"}, {"a.z", []any{"n", int64(0)}, "0 messages"},
	} {
		if got, err := Say(c.key, c.pairs...); got != c.want || err != nil {
			t.Errorf("%s %v: %q, %v", c.key, c.pairs, got, err)
		}
	}
	for _, bad := range [][]any{{"a.none"}, {"a.z"}, {"a.x", "n"}, {"a.x", "who", "me"}, {"a.y", "n", 1, "whom", 2}} {
		if got, err := Say(bad[0].(string), bad[1:]...); err == nil {
			t.Errorf("%v: %q", bad, got)
		}
	}
	if Word("state", "idle") != "Quiet" || Word("state", "<odd>") != "<odd>" {
		t.Error("a word is not what the catalog says, or an unknown one not itself")
	}
	for _, bad := range []string{"a = ", "a", "a = b\na = c"} {
		func() {
			defer func() { _ = recover() }()
			parse(bad)
			t.Errorf("%q was taken", bad)
		}()
	}
}
