-- for each kind: the last complete pass, the last that ended, and whether one is running
SELECT k.kind,
    done.id, done.finished_at, extract(epoch FROM clock_timestamp() - done.finished_at)::float8,
    done.asked_by, last.id, last.finished_at, last.complete, last.report ->> 'stopped'
FROM (SELECT DISTINCT kind FROM reconciler.sweeps WHERE account = %(account)s) AS k
LEFT JOIN LATERAL (
    SELECT id, finished_at, asked_by FROM reconciler.sweeps
    WHERE account = %(account)s AND kind = k.kind AND complete ORDER BY id DESC LIMIT 1
) AS done ON true
LEFT JOIN LATERAL (
    SELECT id, finished_at, complete, report FROM reconciler.sweeps
    WHERE account = %(account)s AND kind = k.kind AND finished_at IS NOT NULL ORDER BY id DESC LIMIT 1
) AS last ON true
ORDER BY k.kind
