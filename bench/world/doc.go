// Package world is what a bench scenario happens in: the product as a process
// of its own, the Gmail double and the mail servers as others, a data directory
// that is filled beforehand through the store, and the eyes that watch it all:
// the kernel's counts of a process, the product's metrics, the double's truth.
//
//	w, err := world.New(ctx, "")           // builds the product
//	w.StartDouble(ctx); w.StartHosts(ctx)
//	w.Populate(ctx, fleets)                // servers, Gmail accounts, users, mailboxes
//	p, err := w.Serve(ctx, settings)       // smtp-sync serve, until p.Stop
//	truth, err := w.Truth(ctx)             // delivered and imported, one by one
//
// Processes are apart because of what is measured (memory and CPU of the
// product alone) and because of what is limited: each may have some 20,000
// file descriptors. A child ends with its parent: it reads its standard input
// to the end, and then stops.
//
// Everything is on loopback. An address that somebody gives by flag is refused
// if it is not, unless he says that the host is his.
package world
