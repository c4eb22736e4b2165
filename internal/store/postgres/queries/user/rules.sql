-- name: AddModule :exec
INSERT INTO modules (digest, manifest, wasm, size, added)
VALUES ($1, $2, $3, $4, $5);

-- name: ModuleDigests :many
SELECT digest
FROM modules;

-- name: Modules :many
SELECT digest, manifest, size, added
FROM modules
ORDER BY added, digest;

-- name: GetModule :one
SELECT manifest, wasm, size, added
FROM modules
WHERE digest = $1;

-- name: DropModule :execrows
DELETE FROM modules
WHERE digest = $1;

-- name: Rules :many
SELECT id, settings, everywhere, enabled, created, runs, failures, fault
FROM rules
ORDER BY position, id;

-- name: RuleMailboxes :many
SELECT r.rule, m.id
FROM rule_mailboxes AS r
JOIN mailboxes AS m ON m.n = r.mailbox
ORDER BY r.rule, r.mailbox;

-- name: PutRule :exec
INSERT INTO rules (id, position, settings, everywhere, enabled, created)
VALUES ($1, 0, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE
SET settings = excluded.settings, everywhere = excluded.everywhere, enabled = excluded.enabled;

-- name: PlaceRules :exec
UPDATE rules
SET position = o.position
FROM (
    SELECT o.id, o.position
    FROM unnest(sqlc.arg(ids)::uuid[]) WITH ORDINALITY AS o (id, position)) AS o
WHERE rules.id = o.id;

-- name: ClearRuleMailboxes :exec
DELETE FROM rule_mailboxes
WHERE rule = $1;

-- name: AddRuleMailboxes :execrows
INSERT INTO rule_mailboxes (rule, mailbox)
SELECT sqlc.arg(rule), n
FROM mailboxes
WHERE id = ANY (sqlc.arg(mailboxes)::uuid[]);

-- name: DropRule :execrows
DELETE FROM rules
WHERE id = $1;

-- name: CountRuns :exec
UPDATE rules
SET runs = rules.runs + i.runs, failures = rules.failures + i.failures, fault = coalesce(nullif(i.fault, ''), rules.fault)
FROM (
    SELECT
        unnest(sqlc.arg(ids)::uuid[]) AS id, unnest(sqlc.arg(asked)::bigint[]) AS runs,
        unnest(sqlc.arg(failed)::bigint[]) AS failures, unnest(sqlc.arg(faults)::text[]) AS fault) AS i
WHERE rules.id = i.id;
