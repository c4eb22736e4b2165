-- What the service's role may do, renewed by each migration: rows of every table
-- through its parent, and no partition by its name, which would go past nothing
-- but has no reason. goose's table is read.
DO $$
DECLARE
    service CONSTANT text := current_setting('app.service');
    t record;
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', service);
    FOR t IN
        SELECT c.relname, c.relispartition
        FROM pg_class AS c
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND pg_has_role(c.relowner, 'USAGE')
    LOOP
        IF t.relname = 'goose_db_version' THEN
            EXECUTE format('GRANT SELECT ON public.%I TO %I', t.relname, service);
        ELSIF NOT t.relispartition THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON public.%I TO %I', t.relname, service);
        END IF;
    END LOOP;
    EXECUTE format('GRANT EXECUTE ON FUNCTION public.keep_audit(timestamptz, timestamptz, timestamptz) TO %I', service);
END
$$
