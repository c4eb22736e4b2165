// Package jobs does what is to be done later, once, whatever happens meanwhile:
// Google is told to end a grant, an event of Google's is acted upon, what has
// expired is forgotten.
//
//	a row in the store --derive--> job --work--> the row is gone, or says how it ended
//	(errand, signal)               River, tried again with growing pauses
//
// The truth is in the rows, which are durable before anybody is answered: jobs
// hold ids that mean nothing outside, are made of the rows at every start and
// whenever the store says that something is due, and two of the same are one.
// So the queue may be lost, and a crash between any two steps does no more than
// have something done again: all of it can be.
//
// An errand that cannot be run for GiveUp ends as failed, which its receipt
// says. A signal is acted upon within seconds of its delivery.
package jobs
