-- Long tables are emptied in steps, so that no transaction is long.
-- name: WipeEntries :execrows
DELETE FROM entries
WHERE pair IN (
    SELECT e.pair
    FROM entries AS e
    WHERE e.mailbox = sqlc.arg(n)
    LIMIT sqlc.arg(most))
    AND mailbox = sqlc.arg(n);

-- name: WipeAudit :execrows
DELETE FROM audit
WHERE id IN (
    SELECT a.id
    FROM audit AS a
    WHERE a.mailbox = sqlc.arg(n)
    LIMIT sqlc.arg(most))
    AND mailbox = sqlc.arg(n);

-- name: WipeClaims :execrows
DELETE FROM claims
WHERE mailbox = $1;

-- name: WipeWords :execrows
DELETE FROM words
WHERE mailbox = $1;

-- name: WipeSchedule :execrows
DELETE FROM schedule
WHERE mailbox = $1;

-- name: WipeTotals :execrows
DELETE FROM totals
WHERE mailbox = $1;

-- A rule that was for this mailbox alone is then for none.
-- name: WipeRuleMailboxes :execrows
DELETE FROM rule_mailboxes
WHERE mailbox = $1;

-- name: WipeMailbox :execrows
DELETE FROM mailboxes
WHERE n = $1;

-- What is not of a mailbox.
-- name: WipeGrants :execrows
DELETE FROM grants;

-- name: WipeProfile :execrows
DELETE FROM profile;

-- name: WipeRequests :execrows
DELETE FROM requests;

-- name: WipeModules :execrows
DELETE FROM modules;

-- name: WipeRules :execrows
DELETE FROM rules;

-- name: CountMailboxRows :one
SELECT
    (SELECT count(*) FROM schedule WHERE schedule.mailbox = sqlc.arg(n)) AS schedule,
    (SELECT count(*) FROM entries WHERE entries.mailbox = sqlc.arg(n)) AS entries,
    (SELECT count(*) FROM totals WHERE totals.mailbox = sqlc.arg(n)) AS totals,
    (SELECT count(*) FROM claims WHERE claims.mailbox = sqlc.arg(n)) AS claims,
    (SELECT count(*) FROM words WHERE words.mailbox = sqlc.arg(n)) AS words,
    (SELECT count(*) FROM audit WHERE audit.mailbox = sqlc.arg(n)) AS audit,
    (SELECT count(*) FROM rule_mailboxes WHERE rule_mailboxes.mailbox = sqlc.arg(n)) AS rule_mailboxes;

-- name: CountGrantRows :one
SELECT
    (SELECT count(*) FROM claims) AS claims,
    (SELECT count(*) FROM grants WHERE status <> 'revoked') AS grants,
    (SELECT count(*) FROM person) AS person;

-- name: CountRows :one
SELECT
    (SELECT count(*) FROM mailboxes) AS mailboxes,
    (SELECT count(*) FROM schedule) AS schedule,
    (SELECT count(*) FROM entries) AS entries,
    (SELECT count(*) FROM totals) AS totals,
    (SELECT count(*) FROM claims) AS claims,
    (SELECT count(*) FROM words) AS words,
    (SELECT count(*) FROM audit) AS audit,
    (SELECT count(*) FROM grants) AS grants,
    (SELECT count(*) FROM person) AS person,
    (SELECT count(*) FROM profile) AS profile,
    (SELECT count(*) FROM requests) AS requests,
    (SELECT count(*) FROM modules) AS modules,
    (SELECT count(*) FROM rules) AS rules,
    (SELECT count(*) FROM rule_mailboxes) AS rule_mailboxes;
