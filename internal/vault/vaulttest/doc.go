// Package vaulttest holds the conformance suite of vault.Shelf, the place of
// wrapped keys, and its twin in memory, which passes the same suite and is for
// tests that want no disk.
package vaulttest
