-- what the last complete window pass saw of how rows and intents belong together
SELECT (report ->> 'listed')::float8 / (report ->> 'listed_rows')::float8,
    (report ->> 'skew_earliest')::float8, (report ->> 'skew_latest')::float8
FROM reconciler.sweeps
WHERE account = %(account)s AND complete AND (report ->> 'listed_rows')::float8 > 0
ORDER BY id DESC
LIMIT 1
