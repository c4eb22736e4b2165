-- Who was shown another record than there is now changes nothing. An update
-- never brings back a row that was deleted meanwhile.
UPDATE keystore
   SET record = $3
 WHERE name = $1
   AND record = $2
