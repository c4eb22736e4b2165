/* A rule to start from: mail from listed domains is not imported, mail of
 * mailing lists gets a label. smtpsync.h says how to build it. */
#include "smtpsync.h"

/* The label is built in one place: "Lists/" once, the id for each message. */
static char text[100 + 1 + SS_MAX_VALUE];
static int under;

SS_CONFIGURE {
	under = ss_config(KEY("under"), text, 100);
	if (under < 0) under = 0;
	text[under++] = '/';
	return 0;
}

SS_FILTER {
	if (ss_in_list(SS_FROM_DOMAIN, KEY("domains")) == 1)
		return SS_SKIP | SS_BECAUSE(1);
	int n = ss_field(SS_LIST_ID, text + under, SS_MAX_VALUE);
	if (n > 0 && ss_label(text, under + n) == 0)
		return SS_KEEP | SS_BECAUSE(2);
	return SS_KEEP;
}
