-- The key store (vault.Shelf) where it has a database of its own: short names,
-- small records, each of which is wrapped or sealed. What is destroyed is to be
-- out of the table's files soon: they are vacuumed whenever anything is dead.

-- +goose Up
CREATE TABLE IF NOT EXISTS keystore (
    name   text  NOT NULL COLLATE "C" PRIMARY KEY,
    record bytea NOT NULL
);

ALTER TABLE keystore SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 0,
    autovacuum_vacuum_cost_delay = 0
);
