// Command go is a rule written in Go, to start from: mail from listed domains
// is not imported, mail of mailing lists gets a label.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o rule.wasm .
//	smtp-sync plugin pack rule.wasm manifest.json
package main

import "github.com/smtp-sync/smtp-sync/plugins/sdk"

func init() {
	sdk.Register(plugin)
}

var plugin = sdk.Plugin{Configure: configure, Filter: filter}

// under is what labels stand under. What Configure keeps is there for each message.
var under string

func configure(s sdk.Settings) int32 {
	under = s.Text("under") + "/"
	return 0
}

func filter(m sdk.Message) sdk.Verdict {
	if m.In(sdk.FromDomain, "domains") {
		return sdk.Skip.Because(1)
	}
	if id := m.Field(sdk.ListID); id != "" && m.Label(under+id) {
		return sdk.Keep.Because(2)
	}
	return sdk.Keep
}

func main() {} // never called
