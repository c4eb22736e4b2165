// Package userdb is what sqlc makes of the statements in queries/user: the
// database of one user. Nothing here is edited by hand but this.
package userdb
