// Package notify tells users what they want to know: that a mailbox needs them
// and that it works again, what was refused, who signed in, what becomes of an
// account that is not used. It never tells what was in a mail.
//
//	states of mailboxes,    --Decide-->  notices, in the user's     --Office-->  Notifier: Mailjet, SMTP,
//	sign-ins, what was told              database until delivered                webhook, log
//
// Decide is arithmetic. What it makes of a mailbox:
//
//	works --proof--> open --told once--> told --works again--> over, told if it lasted
//	                  |                    |
//	                  +-- joins others     +-- reminders after 1, 3 and 7 days
//
// A refused login is proven by the schedule (phase failing: a word of the server,
// or repeated refusals), a lost grant at once, everything else by three failures
// over half an hour. What fails on one mail server is one incident with one
// mail, which waits some minutes for the others. A mailbox that goes on and off
// goes into the digest, and so does what comes after the third mail of a day.
//
// What a notice says is rendered when it is sent, of what is true then; its row
// holds ids, codes and counts. A notice is sent until its Notifier has taken it,
// or for GiveUp. After a crash it may be sent twice, under the same id.
//
// An address to which mail comes back, or whose owner calls it spam, gets none
// any more, until its user wants it again. Who has an address that takes mail is
// not wiped for inactivity before a mail that says so has reached him.
package notify
