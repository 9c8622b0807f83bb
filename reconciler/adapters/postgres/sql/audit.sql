-- name: ledger_append
-- The function numbers, stamps and hashes the entries under the lock of the account's head.
SELECT ord, seq
FROM reconciler.append_ledger(%(account)s, %(actions)s::text[], %(bodies)s::text[])

-- name: ledger_accounts
-- From every table that goes with the ledger: a chain that was removed must be missed.
SELECT account FROM reconciler.ledger_heads
UNION
SELECT account FROM reconciler.ledger
UNION
SELECT account FROM reconciler.discrepancies
UNION
SELECT account FROM reconciler.notes
UNION
SELECT account FROM reconciler.outbox
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

-- name: discrepancies_beside_ledger
-- Each discrepancy with the entry that decided its state last, and the last entry that has both sides' values. A finding
-- that two sweeps open at the same time does not undo a person's verdict, so its entry decides nothing then.
WITH entries AS (
    SELECT d.id, l.seq, l.action, l.body ? 'local' AS has_values
    FROM reconciler.ledger AS l
    JOIN reconciler.discrepancies AS d
        ON d.account = l.account AND d.subject = l.body ->> 'subject' AND d.kind = l.body ->> 'kind'
    WHERE l.account = %(account)s AND l.action IN ('finding_opened', 'finding_changed')
    UNION ALL
    SELECT d.id, l.seq, l.action, false
    FROM reconciler.ledger AS l
    JOIN reconciler.discrepancies AS d ON d.account = l.account AND to_jsonb(d.id) = l.body -> 'discrepancy'
    WHERE l.account = %(account)s AND l.action = 'resolution'
    UNION ALL
    SELECT d.id, l.seq, l.action, false
    FROM reconciler.ledger AS l
    JOIN reconciler.discrepancies AS d
        ON d.account = l.account AND d.subject = l.body ->> 'payment_intent' AND d.kind = 'missed_outcome'
    WHERE l.account = %(account)s AND l.action = 'revert'
),
settled AS (
    SELECT *, max(seq) FILTER (WHERE action IN ('resolution', 'revert')) OVER (PARTITION BY id) AS settled_at
    FROM entries
),
decided AS (
    SELECT id, max(seq) AS state_seq, max(seq) FILTER (WHERE has_values) AS values_seq
    FROM settled
    WHERE action <> 'finding_opened' OR settled_at IS NULL OR seq < settled_at
    GROUP BY id
)
SELECT
    d.id, d.kind, d.state, d.fingerprint, s.seq, s.action, s.body ->> 'state', v.body ->> 'fingerprint',
    CASE WHEN NOT v.body ? 'fingerprint' AND octet_length(v.body::text) <= %(most)s THEN v.body::text END,
    d.local = v.body -> 'local' AND d.stripe = v.body -> 'stripe'
FROM reconciler.discrepancies AS d
LEFT JOIN decided AS c ON c.id = d.id
LEFT JOIN reconciler.ledger AS s ON s.account = d.account AND s.seq = c.state_seq
LEFT JOIN reconciler.ledger AS v ON v.account = d.account AND v.seq = c.values_seq
WHERE d.account = %(account)s

-- name: discrepancies_missing
-- Discrepancies that the ledger has and the table has not: nothing in Reconciler deletes one.
SELECT max(l.seq), l.body ->> 'kind', left(l.body ->> 'subject', 80)
FROM reconciler.ledger AS l
WHERE l.account = %(account)s AND l.action IN ('finding_opened', 'finding_changed')
    AND NOT EXISTS (
        SELECT FROM reconciler.discrepancies AS d
        WHERE d.account = l.account AND d.subject = l.body ->> 'subject' AND d.kind = l.body ->> 'kind'
    )
GROUP BY l.body ->> 'subject', l.body ->> 'kind'

-- name: outbox_beside_ledger
-- Outbox rows without the entry of the write that they announce. A worker may delete rows, so none can be missing.
SELECT o.id, o.ledger_seq
FROM reconciler.outbox AS o
LEFT JOIN reconciler.ledger AS l ON l.account = o.account AND l.seq = o.ledger_seq
WHERE o.account = %(account)s
    AND (
        l.seq IS NULL
        OR (o.kind = 'revert') <> (l.action = 'revert')
        OR l.action NOT IN ('correction', 'resolution', 'revert')
        OR o.payment_key IS DISTINCT FROM l.body ->> 'key'
        OR coalesce(o.from_status, '') <> coalesce(l.body -> 'before' ->> 'status', '')
        OR coalesce(o.to_status, '') <> coalesce(l.body -> 'after' ->> 'status', '')
    )

-- name: notes_beside_ledger
-- Notes without the entry that has their text's SHA-256, and whether there is another entry of them.
SELECT n.id, e.seq IS NOT NULL
FROM reconciler.notes AS n
LEFT JOIN reconciler.ledger AS e
    ON e.account = n.account AND e.action = 'note' AND e.body ? 'sha256' AND e.body -> 'note' = to_jsonb(n.id)
WHERE n.account = %(account)s
    AND (
        e.seq IS NULL
        OR e.body ->> 'sha256' IS DISTINCT FROM encode(sha256(convert_to(n.note, 'UTF8')), 'hex')
        OR e.body -> 'discrepancy' IS DISTINCT FROM to_jsonb(n.discrepancy)
        OR e.body ->> 'asked_by' IS DISTINCT FROM n.author
    )

-- name: notes_missing
-- Notes that the ledger has and the table has not.
SELECT e.seq, e.body ->> 'discrepancy'
FROM reconciler.ledger AS e
WHERE e.account = %(account)s AND e.action = 'note' AND e.body ? 'sha256'
    AND NOT EXISTS (
        SELECT FROM reconciler.notes AS n WHERE n.account = e.account AND to_jsonb(n.id) = e.body -> 'note'
    )
