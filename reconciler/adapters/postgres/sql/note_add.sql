INSERT INTO reconciler.notes (account, discrepancy, author, note)
VALUES (%(account)s, %(id)s, %(by)s, %(note)s)
