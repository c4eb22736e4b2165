-- What the service's role could do beyond the doors: itself, or as a role that it
-- may become. A role that owns tables could take their policies away; one that may
-- make objects could put its own in front of them.
SELECT
    r.rolname,
    r.rolsuper,
    r.rolbypassrls,
    EXISTS (
        SELECT 1
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relowner = r.oid AND n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm')),
    EXISTS (
        SELECT 1
        FROM pg_roles AS o
        WHERE o.oid <> r.oid AND pg_has_role(r.oid, o.oid, 'MEMBER')
            AND (o.rolsuper OR o.rolbypassrls OR EXISTS (
                SELECT 1
                FROM pg_class AS c
                JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE c.relowner = o.oid AND n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm')))),
    has_schema_privilege(r.oid, 'public', 'CREATE'),
    current_setting('server_version_num')::integer
FROM pg_roles AS r
WHERE r.rolname = current_user
