package strictjson

import (
	"errors"
	"strings"
	"testing"
)

type body struct {
	embedded
	Name    string         `json:"name"`
	Port    int            `json:"port"`
	Folders []folder       `json:"folders"`
	Since   *string        `json:"since"`
	Any     map[string]any `json:"any"`
}

type embedded struct {
	Inner int `json:"inner"`
}

type folder struct {
	Label string `json:"label"`
}

func TestWhatEncodingJSONLetsPassIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, code, field string }{
		{"truncated", `{"name":"a"`, "bad_json", ""},
		{"empty", ``, "bad_json", ""},
		{"NaN", `{"port":NaN}`, "bad_json", ""},
		{"trailing value", `{"name":"a"}{}`, "bad_json", ""},
		{"trailing octet", `{"name":"a"} x`, "bad_json", ""},
		{"a comma too many", `{"name":"a",}`, "bad_json", ""},
		{"no UTF-8", "{\"name\":\"\xff\"}", "bad_json", ""},
		{"deep", `{"any":{"a":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}}`, "bad_json", ""},
		{"twice", `{"name":"a","name":"b"}`, "duplicate_field", "name"},
		{"twice, escaped", `{"name":"a","\u006eame":"b"}`, "duplicate_field", "name"},
		{"twice within", `{"folders":[{},{"label":"a","label":"b"}]}`, "duplicate_field", "folders[1].label"},
		{"twice where all is free", `{"any":{"x":{"a":1,"a":2}}}`, "duplicate_field", "any.x.a"},
		{"unknown", `{"nmae":"a"}`, "unknown_field", "nmae"},
		{"another case", `{"Name":"a"}`, "unknown_field", "Name"},
		{"unknown within", `{"folders":[{"lable":"a"}]}`, "unknown_field", "folders[0].lable"},
		{"string for a number", `{"port":"993"}`, "wrong_type", "port"},
		{"a fraction", `{"port":1.5}`, "wrong_type", "port"},
		{"out of range", `{"port":1e400}`, "wrong_type", "port"},
		{"string for a number within", `{"folders":[{},{"label":1}]}`, "wrong_type", "folders[1].label"},
		{"string for a number, embedded", `{"inner":"x"}`, "wrong_type", "inner"},
		{"object for a list", `{"folders":{}}`, "wrong_type", "folders"},
		{"list for all", `[]`, "wrong_type", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var v body
			err := Decode([]byte(c.in), &v)
			e, ok := errors.AsType[*Error](err)
			if !ok || e.Code != c.code || e.Field != c.field {
				t.Errorf("got %+v (%v), want %s of %q", e, err, c.code, c.field)
			}
		})
	}
}

func TestWhatFitsIsRead(t *testing.T) {
	t.Parallel()
	var v body
	err := Decode([]byte(` {"name":"ä","port":993,"folders":[{"label":"x"}],"since":null,"any":{"Free":[1,{"y":2}]}} `), &v)
	if err != nil || v.Name != "ä" || v.Port != 993 || len(v.Folders) != 1 || v.Since != nil {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestNoValueIsEchoed(t *testing.T) {
	t.Parallel()
	var v body
	for _, in := range []string{`{"name":"sesame","name":"sesame"}`, `{"port":"sesame"}`, `{"x":"sesame"}`, `sesame`} {
		if err := Decode([]byte(in), &v); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a","folders":[{"label":"x"}]}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var v body
		if err := Decode(in, &v); err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("an error of another kind: %v", err)
			}
		}
	})
}
