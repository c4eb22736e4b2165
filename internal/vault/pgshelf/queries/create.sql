-- Of two makers of one record the second changes nothing, and is told so.
INSERT INTO keystore (name, record)
VALUES ($1, $2)
    ON CONFLICT (name) DO NOTHING
