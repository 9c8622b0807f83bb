UPDATE reconciler.discrepancies
SET state = %(state)s, note = %(note)s, resolved_by = %(by)s, closing = NULL, changed_at = now()
WHERE account = %(account)s AND id = %(id)s
RETURNING id
