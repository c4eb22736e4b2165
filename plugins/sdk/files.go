//go:build !wasip1

package sdk

import "embed"

// Files are the SDKs of all languages, for rules that live elsewhere: they take
// a copy along, and so need nothing from anywhere.
//
//go:embed sdk.go wasm.go c/smtpsync.h rust/smtpsync.rs assemblyscript/smtpsync.ts
var Files embed.FS
