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
-- In order, to verify the chain and to export it. Time and body are text, because a forger may have stored what psycopg
-- cannot read. A large body is read alone, so that a page of entries stays small. OFFSET 0 makes each body text once.
SELECT account, seq, at, action, CASE WHEN octet_length(body) <= %(most)s THEN body END, prev, hash
FROM (
    SELECT account, seq, (at AT TIME ZONE 'UTC')::text AS at, action, body::text AS body, prev, hash
    FROM reconciler.ledger
    WHERE account = %(account)s
    ORDER BY seq
    OFFSET 0
) AS entries

-- name: ledger_body
-- A body that was too large to be read with others, if it may be read at all.
SELECT CASE WHEN octet_length(body::text) <= %(most)s THEN body::text END
FROM reconciler.ledger
WHERE account = %(account)s AND seq = %(seq)s
