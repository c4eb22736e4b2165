SELECT record
  FROM keystore
 WHERE name = $1
