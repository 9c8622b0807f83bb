SELECT format('%%s.%%s', n.nspname, c.relname)
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'reconciler')
    AND n.nspname NOT LIKE 'pg\_%%'
ORDER BY 1
LIMIT 2000
