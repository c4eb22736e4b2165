-- name: AddModule :exec
INSERT INTO modules (digest, manifest, wasm, added)
VALUES (?, ?, ?, ?)
ON CONFLICT (digest) DO NOTHING;

-- name: ModuleDigests :many
SELECT digest
FROM modules;

-- name: Modules :many
SELECT digest, manifest, CAST(length(wasm) AS INTEGER) AS size, added
FROM modules
ORDER BY added, digest;

-- name: GetModule :one
SELECT digest, manifest, wasm, added
FROM modules
WHERE digest = ?;

-- name: DropModule :execrows
DELETE FROM modules
WHERE digest = ?;

-- name: RulesOfPlugin :one
SELECT count(*)
FROM rules
WHERE plugin = ?;

-- name: Rules :many
SELECT *
FROM rules
ORDER BY position, id;

-- name: RuleMailboxes :many
SELECT r.rule, m.id
FROM rule_mailboxes AS r
JOIN mailboxes AS m ON m.n = r.mailbox
ORDER BY r.rule, r.mailbox;

-- name: PutRule :exec
INSERT INTO rules (id, position, name, plugin, config, everywhere, enabled, created)
VALUES (?, 0, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE
SET name = excluded.name, plugin = excluded.plugin, config = excluded.config, everywhere = excluded.everywhere, enabled = excluded.enabled;

-- name: PlaceRule :exec
UPDATE rules
SET position = ?
WHERE id = ?;

-- name: ClearRuleMailboxes :exec
DELETE FROM rule_mailboxes
WHERE rule = ?;

-- name: AddRuleMailbox :execrows
INSERT INTO rule_mailboxes (rule, mailbox)
SELECT sqlc.arg(rule), n
FROM mailboxes
WHERE id = sqlc.arg(mailbox);

-- name: DropRule :execrows
DELETE FROM rules
WHERE id = ?;

-- name: CountRuns :exec
UPDATE rules
SET runs = runs + sqlc.arg(runs), failures = failures + sqlc.arg(failures),
    fault = CASE sqlc.arg(fault) WHEN '' THEN fault ELSE sqlc.arg(fault) END
WHERE id = sqlc.arg(id);
