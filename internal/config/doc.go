// Package config reads the configuration: environment variables named
// SMTPSYNC_…, or the same keys in a file.
//
// Config is the one list of them. Its tags are the documentation: Describe,
// .env.example and the table in the README are made from it, and a variable
// that is not in it does not exist.
//
//	env     name without the prefix
//	default value of an unset variable
//	shown   what the documentation calls a default that is worked out at start
//	doc     one sentence for the operator
//	check   named check of the text (check.go)
//	secret  never shown, never in an error; may come from the file named by the variable's _FILE twin
//	min,max bounds of a number, size or duration; "0" always passes where zero:"ok"
//
// The environment wins over the file; an empty value is a missing one. Load
// collects every fault of a start in one Faults, one line each:
//
//	SMTPSYNC_POLL_EVERY: "5" has no unit: write 5s or 5m
//
// so that an operator repairs them in one go. A value is quoted there only if
// it is no secret, and an unknown variable is answered with the nearest known
// one rather than ignored: a misspelt limit must not run as no limit.
package config
