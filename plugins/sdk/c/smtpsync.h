/* smtpsync_v1 for rules in C: what a rule may ask, and what it answers. It needs
 * no library. Build with clang and wasm-ld of any recent LLVM:
 *
 *   clang --target=wasm32 -Oz -nostdlib -Wl,--no-entry -o rule.wasm rule.c
 *
 * and put the manifest in with `smtp-sync plugin pack`.
 *
 * Functions that give a value write it into buf if it fits there whole, and
 * answer its length in any case; without a final zero. Less than zero is one of
 * SS_ABSENT, SS_NOT_GRANTED, SS_BAD_ARG. A pointer outside of the module's memory
 * ends the call. Strings in KEY() have their length counted by the compiler.
 */
#ifndef SMTPSYNC_H
#define SMTPSYNC_H

typedef int ss_int;
typedef unsigned ss_word;
typedef long long ss_long;

#define SS_IMPORT(name) __attribute__((import_module("smtpsync_v1"), import_name(#name)))
#define SS_EXPORT(name) __attribute__((export_name(#name)))
#define KEY(s) (s), sizeof(s) - 1

SS_IMPORT(field) ss_int ss_field(ss_word id, char *buf, ss_word room);
SS_IMPORT(header) ss_int ss_header(const char *name, ss_word len, ss_word index, char *buf, ss_word room);
SS_IMPORT(number) ss_long ss_number(ss_word id);                                       /* -1: not known */
SS_IMPORT(config) ss_int ss_config(const char *key, ss_word len, char *buf, ss_word room); /* lists joined by \n */
SS_IMPORT(in_list) ss_int ss_in_list(ss_word id, const char *key, ss_word len);        /* 1: the list has it */
SS_IMPORT(matches) ss_int ss_matches(ss_word id, const char *key, ss_word len);        /* 1: the pattern does */
SS_IMPORT(label) ss_int ss_label(const char *text, ss_word len);                       /* 0: it is put on */
SS_IMPORT(note) void ss_note(ss_int code, ss_long value);                              /* for the author's log */

enum { SS_ABSENT = -1, SS_NOT_GRANTED = -2, SS_BAD_ARG = -3 };

enum { /* fields */
	SS_FROM_DOMAIN = 1, SS_FROM_ADDRESS, SS_FROM_NAME, SS_LIST_ID, SS_SUBJECT, SS_TO, SS_DELIVERED_TO,
	SS_REPLY_TO_DOMAIN, SS_MAILBOX_NAME, SS_SOURCE_FOLDER, SS_LIST_UNSUBSCRIBE, SS_PRECEDENCE,
	SS_AUTO_SUBMITTED, SS_MESSAGE_ID_DOMAIN
};

enum { /* numbers; DKIM, SPF, DMARC: 0 not known, 1 pass, 2 fail */
	SS_SIZE = 1, SS_DATE, SS_RECEIVED_AT, SS_DKIM, SS_SPF, SS_DMARC, SS_RECIPIENTS, SS_HAS_LIST_HEADERS, SS_ABI_MINOR
};

enum { SS_MAX_VALUE = 998 }; /* octets of the longest field */

/* The verdict: these combined with |, and SS_BECAUSE with a number that the
 * manifest names. SS_SKIP says all, whatever else is set. */
#define SS_KEEP 0LL
#define SS_SKIP 1LL
#define SS_ARCHIVE 2LL
#define SS_STAR 4LL
#define SS_IMPORTANT 8LL
#define SS_READ 16LL
#define SS_NEVER_SPAM 32LL
#define SS_SPAM 64LL
#define SS_BECAUSE(reason) ((ss_long)(reason) << 32)

/* What the rule defines: SS_FILTER { … return SS_KEEP; } and, if it wants,
 * SS_CONFIGURE { … return 0; }. */
#define SS_FILTER SS_EXPORT(filter_v1) ss_long ss_filter(void)
#define SS_CONFIGURE SS_EXPORT(configure_v1) ss_int ss_configure(void)

#endif
