-- A key that was reported made, and a wipe that was reported done, outlive the
-- server, whatever the database was set to.
SELECT set_config('synchronous_commit', 'on', true)
