-- name: WipeClaims :execrows
DELETE FROM claims
WHERE mailbox = ?;

-- name: WipeEntries :execrows
DELETE FROM entries
WHERE mailbox = ?;

-- name: WipeAudit :execrows
DELETE FROM audit
WHERE mailbox = ?;

-- name: WipeSchedule :execrows
DELETE FROM schedule
WHERE mailbox = ?;

-- name: WipeTotals :execrows
DELETE FROM totals
WHERE mailbox = ?;

-- A rule that was for this mailbox alone is then for none.
-- name: WipeRuleMailboxes :execrows
DELETE FROM rule_mailboxes
WHERE mailbox = ?;

-- name: WipeIncidents :execrows
DELETE FROM incidents
WHERE mailbox = ?;

-- What is still to be told of it is not.
-- name: WipeNoticeMailboxes :execrows
DELETE FROM notice_mailboxes
WHERE mailbox = ?;

-- name: WipeMailbox :execrows
DELETE FROM mailboxes
WHERE n = ?;

-- name: CountMailboxRows :one
SELECT
    (SELECT count(*) FROM mailboxes WHERE mailboxes.n = sqlc.arg(n)) AS mailboxes,
    (SELECT count(*) FROM schedule WHERE schedule.mailbox = sqlc.arg(n)) AS schedule,
    (SELECT count(*) FROM entries WHERE entries.mailbox = sqlc.arg(n)) AS entries,
    (SELECT count(*) FROM totals WHERE totals.mailbox = sqlc.arg(n)) AS totals,
    (SELECT count(*) FROM claims WHERE claims.mailbox = sqlc.arg(n)) AS claims,
    (SELECT count(*) FROM audit WHERE audit.mailbox = sqlc.arg(n)) AS audit,
    (SELECT count(*) FROM rule_mailboxes WHERE rule_mailboxes.mailbox = sqlc.arg(n)) AS rule_mailboxes,
    (SELECT count(*) FROM consents WHERE consents.mailbox = sqlc.arg(n)) AS consents,
    (SELECT count(*) FROM incidents WHERE incidents.mailbox = sqlc.arg(n)) AS incidents,
    (SELECT count(*) FROM notice_mailboxes WHERE notice_mailboxes.mailbox = sqlc.arg(n)) AS notice_mailboxes;

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
    (SELECT count(*) FROM audit) AS audit,
    (SELECT count(*) FROM grants) AS grants,
    (SELECT count(*) FROM person) AS person,
    (SELECT count(*) FROM profile) AS profile,
    (SELECT count(*) FROM requests) AS requests,
    (SELECT count(*) FROM modules) AS modules,
    (SELECT count(*) FROM rules) AS rules,
    (SELECT count(*) FROM rule_mailboxes) AS rule_mailboxes,
    (SELECT count(*) FROM consents) AS consents,
    (SELECT count(*) FROM told) AS told,
    (SELECT count(*) FROM incidents) AS incidents,
    (SELECT count(*) FROM notices) AS notices,
    (SELECT count(*) FROM notice_mailboxes) AS notice_mailboxes,
    (SELECT count(*) FROM billing) AS billing;
