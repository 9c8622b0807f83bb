-- of both tables: a chain whose head was taken away must be found too
SELECT account FROM reconciler.ledger_heads
UNION
SELECT account FROM reconciler.ledger
ORDER BY account
