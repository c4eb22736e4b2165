-- The record, and all below it: '0' comes after '/', and names sort by octets.
DELETE FROM keystore
 WHERE name = $1
    OR name > $1 || '/' AND name < $1 || '0'
