SELECT author, note, at
FROM reconciler.notes
WHERE account = %(account)s AND discrepancy = %(id)s
ORDER BY id
