UPDATE reconciler.sweeps
SET finished_at = greatest(now(), started_at), complete = %(complete)s, report = %(report)s::jsonb
WHERE account = %(account)s AND id = %(sweep)s AND finished_at IS NULL
RETURNING id
