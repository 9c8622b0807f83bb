-- how far a net that is cast again and again is behind the present
SELECT greatest(0, extract(epoch FROM clock_timestamp() - handled_until))::float8
FROM reconciler.cursors
WHERE account = %(account)s AND name = %(cursor)s
