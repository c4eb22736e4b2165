// Command all uses all of package sdk once, and notes what it was told.
package main

import "github.com/smtp-sync/smtp-sync/plugins/sdk"

var configured int64

func init() {
	sdk.Register(sdk.Plugin{
		Configure: func(s sdk.Settings) int32 {
			configured = int64(len(s.Text("text")))
			if s.Bool("refuse") {
				return 7
			}
			return 0
		},
		Filter: func(m sdk.Message) sdk.Verdict {
			code := int32(0)
			note := func(v int64) {
				code++
				m.Note(code, v)
			}
			truth := func(b bool) {
				if b {
					note(1)
				} else {
					note(0)
				}
			}
			note(configured)
			note(int64(len(m.Field(sdk.Subject))))
			note(int64(len(m.Field(sdk.FromName)))) // absent
			value, found := m.Header("X-Test", 1)
			truth(found && value == "two")
			_, found = m.Header("X-Test", 2)
			truth(found)
			note(m.Number(sdk.Size))
			note(int64(len(m.Text("domains"))))
			note(m.Int("limit"))
			truth(m.Bool("refuse"))
			truth(m.In(sdk.FromDomain, "domains"))
			truth(m.In(sdk.FromDomain, "text"))
			truth(m.Matches(sdk.Subject, "pattern"))
			truth(m.Label("grün"))
			truth(m.Label(""))
			if m.Field(sdk.Subject) == "panic" {
				panic("on request")
			}
			return (sdk.Archive | sdk.Star).Because(65535)
		},
	})
}

func main() {}
