-- name: ledger_append
-- The function numbers, stamps and hashes the entries under the lock of the account's head.
SELECT ord, seq
FROM reconciler.append_ledger(%(account)s, %(actions)s::text[], %(bodies)s::text[])

-- name: ledger_accounts
-- From both tables: a chain whose head was removed must be found too.
SELECT account FROM reconciler.ledger_heads
UNION
SELECT account FROM reconciler.ledger
ORDER BY account

-- name: ledger_head
-- The head is in a table of its own: without it a chain whose last entries were removed would look whole.
SELECT seq, hash
FROM reconciler.ledger_heads
WHERE account = %(account)s

-- name: ledger_entries
-- In order, to verify the chain and to export it.
SELECT account, seq, at, action, body, prev, hash
FROM reconciler.ledger
WHERE account = %(account)s
ORDER BY seq
