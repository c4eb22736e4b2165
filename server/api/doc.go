// Package api is what goes over the wire: the bodies of requests and answers as
// Go types, the problem document, and the checks of what a stranger sends.
//
// The OpenAPI document is made from these types (package openapi): the tag doc
// is a field's description, enum its values, format its format. What is neither
// a pointer nor marked omitempty or omitzero is required.
//
// A check answers with all that is wrong at once, each fault with the field, a
// code that stays as it is, a sentence and, where there is one, the remedy. No
// fault quotes a value: it may be a password.
package api
