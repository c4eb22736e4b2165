// Package quota keeps every user, and the project as a whole, inside Gmail's
// quotas. It hands out permission before anything is read from a mailbox, and
// it learns from refusals.
//
//	            minute (in memory)      day (durable, through Days)
//	user        units in 60 s           octets
//	project     units in 60 s           units
//
// One Project stands for one Google client project; Project.Budget gives the
// handle of one user. Reserve never waits and never sleeps: it grants the
// longest run of messages that fits now, or says to the second when to come
// back. A reservation for the day is durable before it is used, so a crash can
// waste budget but never spend it twice.
//
// A minute is any 60 seconds, not a minute of the clock: Google does not say
// how it counts, and what stays under a limit in every 60 seconds stays under
// it in every calendar minute and in every token bucket of one minute's worth.
//
// A day ends at 08:00 UTC: Google's days end at midnight Pacific time, and a
// fixed UTC-8 needs no time zone data. In summer ours ends an hour after
// Google's; should Gmail refuse in that hour, the time that it names is obeyed.
//
// A refusal by Gmail (Throttled) that names a time stops all grants until then.
// One that does not stops them for a second, twice as long each time in a row,
// and halves the allowance of a minute, which creeps back by a tenth of the
// limit every quiet minute.
package quota
