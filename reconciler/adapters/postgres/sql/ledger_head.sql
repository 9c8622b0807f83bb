SELECT seq, hash
FROM reconciler.ledger_heads
WHERE account = %(account)s
