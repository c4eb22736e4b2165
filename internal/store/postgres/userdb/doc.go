// Package userdb is what sqlc made of queries/user: the statements on what is
// behind a user's door. They run inside the door alone (inUser, once), where
// row-level security shows the rows of that user and nobody else's; so no
// statement says whose rows it means.
package userdb
