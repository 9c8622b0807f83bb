-- the author is whom the database knows
INSERT INTO reconciler.notes (account, discrepancy, note)
VALUES (%(account)s, %(id)s, %(note)s)
