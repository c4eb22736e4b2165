// Package systemdb is what sqlc makes of the statements in queries/system: the
// system database of an installation. Nothing here is edited by hand but this.
package systemdb
