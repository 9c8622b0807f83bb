SELECT id, account, kind, mode, applied, asked_by, started_at, finished_at, complete, report
FROM reconciler.sweeps
WHERE %(account)s::text IS NULL OR account = %(account)s::text
ORDER BY id DESC
LIMIT %(limit)s
