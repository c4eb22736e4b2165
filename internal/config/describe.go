package config

import (
	"fmt"
	"strings"
)

// Var documents one variable.
type Var struct {
	Name    string
	Default string // the text of the default, or what it is worked out from; "" = none
	Literal bool   // Default may be written as it stands
	Secret  bool   // has a _FILE twin
	Doc     string
}

// Describe lists all variables.
func Describe() []Var {
	vars := make([]Var, len(variables))
	for i, v := range variables {
		vars[i] = Var{v.name, v.tag("default"), true, v.secret(), v.tag("doc")}
		if shown := v.tag("shown"); shown != "" {
			vars[i].Default, vars[i].Literal = shown, false
		}
	}
	return vars
}

// EnvExample is the text of .env.example.
func EnvExample() string {
	var b strings.Builder
	b.WriteString("# Configuration of smtp-sync, for --config FILE or the environment. Every line is commented out\n" +
		"# and shows the default. Printed by `go run ./internal/tools/configdoc -w`; do not edit.\n")
	for _, v := range Describe() {
		fmt.Fprintf(&b, "\n# %s\n", v.Doc)
		if v.Secret {
			fmt.Fprintf(&b, "# Secret: %s%s=PATH reads it from a file.\n", v.Name, fileSuffix)
		}
		if v.Literal {
			fmt.Fprintf(&b, "#%s=%s\n", v.Name, v.Default)
		} else {
			fmt.Fprintf(&b, "# Default: %s.\n#%s=\n", v.Default, v.Name)
		}
	}
	return b.String()
}

// Table is the configuration table of the README, in Markdown.
func Table() string {
	var b strings.Builder
	b.WriteString("| Variable | Default | Meaning |\n|---|---|---|\n")
	for _, v := range Describe() {
		def := "–"
		switch {
		case v.Default != "" && v.Literal:
			def = "`" + v.Default + "`"
		case v.Default != "":
			def = v.Default
		}
		mark := ""
		if v.Secret {
			mark = " 🔑"
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", v.Name, mark, cell(def), cell(v.Doc))
	}
	return b.String()
}

// cell escapes what Markdown would read as HTML or as the end of a cell.
func cell(s string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", ">", "&gt;").Replace(s)
}
