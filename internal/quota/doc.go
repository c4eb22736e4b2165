// Package quota keeps every user, and the project as a whole, inside Gmail's
// quotas. It hands out permission before anything is read from a mailbox, it
// shares what there is between the users who want it, and it learns from
// refusals.
//
//	            minute (in memory)          day (durable, through Days)
//	user        units in 60 s               octets   \ leased in slices,
//	project     units in 60 s, shared       units    / spent in memory
//
// One Project stands for one Google client project; Project.Budget gives the
// handle of one user, Budget.History that of the same user's old mail. Reserve
// never waits and never sleeps: it grants the longest run of messages that fits
// now, or says when to come back. Under competition that is fewer messages than
// were asked for, and the time named is one's own: nearly always there is
// something then.
//
// A minute is any 60 seconds, not a minute of the clock: Google does not say
// how it counts, and what stays under a limit in every 60 seconds stays under
// it in every calendar minute and in every token bucket of one minute's worth.
// A grant counts when it is given; what takes long to upload counts later at
// Google, which shares even over the minute make harmless for a bucket.
//
// The project's minute is let out evenly and shared fairly: see share. New mail
// goes before old mail.
//
// A lease of the day is durable before it is spent, so a crash can waste at
// most the slices out (1,000 units of the project, up to 8 MiB of a user) but
// never spend them twice. Project.Close gives them back, and so do users who
// were idle for ten minutes. A first lease is exactly what is needed, and near
// the limit every lease is. What has no limit is not counted.
//
// A day ends at 08:00 UTC: Google's days end at midnight Pacific time, and a
// fixed UTC-8 needs no time zone data. In summer ours ends an hour after
// Google's; should Gmail refuse in that hour, the time that it names is obeyed.
//
// A refusal by Gmail (Throttled) that names a time stops all grants until then;
// Held and Hold carry it over a restart. One that does not stops them for a
// second, twice as long each time in a row, and halves the allowance of a
// minute, which creeps back by a tenth of the limit every quiet minute.
package quota
