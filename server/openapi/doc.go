// Package openapi writes the OpenAPI 3.1 document of a list of operations, with
// schemas made from the Go types that are really read and written. It stays
// within what OpenAPI 3.0 tools understand as well.
//
// A field's description is in the tag doc, its values in enum, its format in
// format; a type may say itself what it looks like (Schemer). A type that
// comes in a request allows no other fields.
package openapi
