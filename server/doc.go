// Package server is the HTTP side of the product and the only importer of
// Fiber: API, sign-in, pages. It knows what it needs of the rest of the program
// as ports (ports.go) and decides nothing about mail.
//
// Everything hangs on one table of routes (table.go): Fiber's routes, the
// OpenAPI document, and the tests that try every route as nobody, as a stranger,
// with the wrong scope and without the CSRF token. A request goes
//
//	observe      request id, recover, its line in the log
//	protect      headers and Content-Security-Policy
//	serve        who is it (auth.go), does he mean it (CSRF, Origin),
//	             is it too much (limits.go), does the route know the parameters
//	once         a POST with an Idempotency-Key
//	read         strict JSON (package strictjson), checked by package api
//	handler      calls a port, answers; an error becomes a problem here (fail.go)
//
// What is somebody else's is not found, never forbidden: handlers ask the
// user's own rows before they ask the engine. An error that is a *mail.Fault or
// an *api.Error was made to be shown; any other is "internal error" outside and
// a line in the operator's log. No address, path or parameter is logged.
//
// Long answers (exports, the event stream) are written by a goroutine of their
// own that ends with its reader or with the service; a failure in the middle
// breaks the connection off. Events go through package live.
//
// Pages are html/template and work without JavaScript; nothing in them is
// inline and nothing comes from elsewhere. Each is a file in web/pages and a
// page_*.go with its routes, perhaps a style and a module of its own; page.go
// has what they share. They hold no words: package text has.
package server
