package config

import (
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"
)

// fileSuffix makes the name of a secret's twin, which names a file holding it.
const fileSuffix = "_FILE"

// Load reads the configuration from environ, a list as of os.Environ, and from
// the file if one is named. The error is a Faults.
func Load(environ []string, file string) (*Config, error) {
	var text string
	if file != "" {
		t, w := readFile(file, quote(file))
		if w != nil {
			return nil, Faults{{"--config", w.what, w.remedy}}
		}
		text = t
	}
	return load(environ, file, text)
}

func load(environ []string, file, text string) (*Config, error) {
	env := fromEnviron(environ)
	settings, faults := parseFile(file, text)
	faults = append(faults, unknown(env)...)
	faults = append(faults, unknown(settings)...)

	c := &Config{}
	bad := map[string]bool{} // variables with a fault of their own: no second complaint about them
	for _, v := range variables {
		value, w := v.find(env, settings)
		if w == nil {
			w = v.set(c, value)
		}
		if w != nil {
			bad[v.name] = true
			faults = append(faults, Fault{v.name, w.what, w.remedy})
		}
	}
	for _, f := range c.together() {
		if !bad[f.Key] {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	if c.Node == "" {
		c.Node = hostName()
	}
	return c, nil
}

// fromEnviron keeps our variables; the last of equal names wins, as in os/exec.
func fromEnviron(environ []string) map[string]setting {
	m := map[string]setting{}
	for _, kv := range environ {
		if k, v, ok := strings.Cut(kv, "="); ok && strings.HasPrefix(k, Prefix) {
			m[k] = setting{value: v}
		}
	}
	return m
}

// unknown complains about names that are no variable and no twin of a secret.
func unknown(settings map[string]setting) (faults Faults) {
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		if slices.Contains(names, k) {
			continue
		}
		what := "is not a variable"
		if where := settings[k].where; where != "" {
			what += ", " + where
		}
		faults = append(faults, Fault{printable(k), what, "did you mean " + nearest(k, names) + "?"})
	}
	return faults
}

// printable names a foreign variable on one line.
func printable(name string) string {
	if isName(name) {
		return name
	}
	return quote(name)
}

// variable is one field of Config with its tags read.
type variable struct {
	index int
	name  string
	field reflect.StructField
}

func (v variable) tag(key string) string { return v.field.Tag.Get(key) }
func (v variable) secret() bool          { return v.tag("secret") != "" }

var variables, names = func() (vs []variable, names []string) {
	for f := range reflect.TypeFor[Config]().Fields() {
		v := variable{f.Index[0], Prefix + f.Tag.Get("env"), f}
		vs, names = append(vs, v), append(names, v.name)
		if v.secret() {
			names = append(names, v.name+fileSuffix)
		}
	}
	return vs, names
}()

// find gives the text of the variable: from the environment, else from the
// file, else the default. In each place a secret may come by its twin instead,
// not by both.
func (v variable) find(places ...map[string]setting) (string, *wrong) {
	for _, place := range places {
		value, twin := place[v.name].value, ""
		if v.secret() {
			twin = place[v.name+fileSuffix].value
		}
		switch {
		case value != "" && twin != "":
			return "", wrongf("remove one of them", "is set and so is %s", v.name+fileSuffix)
		case twin != "":
			return v.secretFile(twin)
		case value != "":
			return value, nil
		}
	}
	return v.tag("default"), nil
}

// secretFile reads the variable from the file its twin names. Others must not
// be able to read or change it; its group may read it, as systemd and
// Kubernetes hand files out.
func (v variable) secretFile(name string) (string, *wrong) {
	what := "the file named by " + v.name + fileSuffix
	text, w := readFile(name, what)
	if w != nil {
		return "", w
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm()&0o027 != 0 {
		return "", wrongf("give it mode 0600 with chmod", "%s can be read or changed by others", what)
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return "", wrongf("write the secret into it", "%s is empty", what)
	}
	return text, nil
}

// set parses text into the variable's field of c.
func (v variable) set(c *Config, text string) *wrong {
	if text == "" {
		return nil
	}
	if hasControl(text) || !utf8.ValidString(text) {
		return &wrong{"has a control character or invalid UTF-8", "write it in plain text on one line"}
	}
	return v.into(reflect.ValueOf(c).Elem().Field(v.index).Addr().Interface(), text)
}

func hostName() string {
	name, err := os.Hostname()
	if err != nil || checkNode(name) != nil {
		return "node"
	}
	return name
}
