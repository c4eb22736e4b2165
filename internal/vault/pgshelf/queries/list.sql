-- A page at a time, so that no connection is held while its reader works.
SELECT name, record
  FROM keystore
 WHERE name > $1
 ORDER BY name
 LIMIT 500
