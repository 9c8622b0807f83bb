INSERT INTO reconciler.sweeps (account, kind, mode, applied, asked_by)
VALUES (%(account)s, %(kind)s, %(mode)s, %(applied)s, %(asked_by)s)
RETURNING id
