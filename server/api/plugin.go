package api

import "time"

// Plugin is what rules are made of: a module and its manifest.
type Plugin struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Shipped  bool      `json:"shipped" doc:"It comes with the program; otherwise you have uploaded it."`
	Size     int64     `json:"size" doc:"Octets of the module."`
	AddedAt  time.Time `json:"added_at,omitzero"`
	Manifest Manifest  `json:"manifest"`
}

// Plugins is a page of plugins.
type Plugins struct {
	Plugins    []Plugin `json:"plugins"`
	NextCursor string   `json:"next_cursor,omitempty"`
}

// PluginMade is a plugin that was taken, and what the gate found in it.
type PluginMade struct {
	Plugin
	Report GateReport `json:"report"`
}

// Manifest is what the author says of a plugin. What it does not name in needs,
// the plugin can neither see nor do.
type Manifest struct {
	ABI         string            `json:"abi"`
	Name        string            `json:"name"`
	Version     string            `json:"version"`
	Title       map[string]string `json:"title" doc:"By language."`
	Description map[string]string `json:"description" doc:"By language."`
	Needs       Needs             `json:"needs"`
	Config      []Setting         `json:"config"`
	Reasons     map[string]string `json:"reasons" doc:"By number, as the audit has it behind the plugin's name."`
	Limits      Limits            `json:"limits"`
}

// Needs is all that a plugin can see and do.
type Needs struct {
	Fields   []string `json:"fields" doc:"Values made from the header, such as from_domain."`
	Headers  []string `json:"headers" doc:"Header fields that it may read as they are."`
	Verdicts []string `json:"verdicts" doc:"What it may do with a message: skip, archive, star, important, read, never_spam, spam."`
	Labels   bool     `json:"labels" doc:"It may put labels on a message."`
}

// Setting is one parameter of a plugin.
type Setting struct {
	Key      string            `json:"key"`
	Type     string            `json:"type" enum:"text,bool,int,choice,domain-list,address-list,label,regex,bytes-size"`
	Title    map[string]string `json:"title" doc:"By language."`
	Help     map[string]string `json:"help" doc:"By language."`
	Required bool              `json:"required"`
	Values   []string          `json:"values" doc:"Of a choice."`
	Max      int               `json:"max,omitempty" doc:"Entries of a list, characters of a text."`
	Default  *JSON             `json:"default,omitempty"`
}

// Limits is what a plugin gets.
type Limits struct {
	MemoryPages int   `json:"memory_pages" doc:"Of 64 KiB."`
	Fuel        int64 `json:"fuel" doc:"For one message."`
}

// GateReport is what the gate found in a module that it let through.
type GateReport struct {
	Octets      int64    `json:"octets"`
	Functions   int64    `json:"functions"`
	Imports     []string `json:"imports"`
	Exports     []string `json:"exports" doc:"Functions of the ABI that it has."`
	Pages       int      `json:"pages" doc:"Of 64 KiB: memory at the start."`
	LargestBody int      `json:"largest_body" doc:"Octets of the largest function."`
	Blocks      int      `json:"blocks" doc:"Of the function that has most."`
	Effort      int64    `json:"effort" doc:"What compiling costs: at most 20000000."`
	Table       int      `json:"table_entries"`
}

// PluginTry asks a plugin about a header section.
type PluginTry struct {
	Config *Values `json:"config,omitempty"`
	Header string  `json:"header" doc:"A raw header section, at most 256 KiB. It is kept nowhere."`
	Size   int64   `json:"size,omitempty" doc:"Of the whole message in octets; left out: that of the header section."`
}

// Tried is what a plugin said.
type Tried struct {
	Verdict string   `json:"verdict" doc:"keep, or what it does with the message, separated by spaces: skip, archive, star, important, read, never_spam, spam."`
	Reason  string   `json:"reason" doc:"In the words of the plugin; empty if it gave none."`
	Code    int      `json:"reason_number" doc:"0: none."`
	Labels  []string `json:"labels"`
	Fuel    int64    `json:"fuel" doc:"That it took, of what its manifest has."`
	Notes   []Note   `json:"notes" doc:"Numbers that it left for its author."`
	Dropped int      `json:"dropped" doc:"Things it did that its manifest does not name: they count for nothing."`
}

// Note is a number that a plugin leaves.
type Note struct {
	Code  int   `json:"code"`
	Value int64 `json:"value"`
}
