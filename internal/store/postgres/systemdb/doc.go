// Package systemdb is what sqlc made of queries/system: the statements on the
// tables that belong to no user. None of them holds anything about a person.
package systemdb
