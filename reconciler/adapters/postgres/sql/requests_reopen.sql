-- whoever had taken them has lost the lease: what they did not finish is asked for again
UPDATE reconciler.sweep_requests
SET status = 'asked', epoch = NULL, sweep = NULL, examined = 0, changed_at = now()
WHERE account = %(account)s AND status = 'taken' AND epoch < %(epoch)s
