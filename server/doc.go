// Package server is the HTTP side of the product and the only importer of
// Fiber. So far it is a status page: what the mailboxes are doing and what
// arrived last, for `smtp-sync demo`, and the two health addresses.
//
// It knows nothing of engine or store: it is given a function that says how
// things are, and shows that. The page needs no JavaScript and loads nothing
// from elsewhere; its policy allows no inline script or style.
package server
