SELECT account, seq, at, action, body, prev, hash
FROM reconciler.ledger
WHERE account = %(account)s
ORDER BY seq
