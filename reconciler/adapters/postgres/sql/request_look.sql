SELECT status, examined, result, answer
FROM reconciler.sweep_requests
WHERE account = %(account)s AND id = %(id)s
