-- name: ledger_append
-- The function checks the lease, and numbers, stamps and hashes the entries under the lock of the account's head.
SELECT reconciler.append_ledger(
    %(account)s, %(epoch)s::pg_catalog.int8, %(actions)s::pg_catalog.text[], %(bodies)s::pg_catalog.text[]
)

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
WHERE account OPERATOR(pg_catalog.=) %(account)s

-- name: ledger_head_entry
-- With its time, to anchor it. In the transaction that added entries it is the last of them.
SELECT l.seq, l.hash, l.at
FROM reconciler.ledger_heads AS h
JOIN reconciler.ledger AS l ON l.account OPERATOR(pg_catalog.=) h.account AND l.seq OPERATOR(pg_catalog.=) h.seq
WHERE h.account OPERATOR(pg_catalog.=) %(account)s

-- name: ledger_entries
-- In order, to verify the chain and to export it. Time and body are text, because a forger may have stored what psycopg
-- cannot read. A large body is read alone, so that a page of entries stays small. OFFSET 0 makes each body text once.
SELECT account, seq, at, action, CASE WHEN pg_catalog.octet_length(body) OPERATOR(pg_catalog.<=) %(most)s THEN body END, prev, hash, role
FROM (
    SELECT account, seq, (at AT TIME ZONE 'UTC')::pg_catalog.text AS at, action, body::pg_catalog.text AS body, prev, hash, role
    FROM reconciler.ledger
    WHERE account OPERATOR(pg_catalog.=) %(account)s
    ORDER BY seq
    OFFSET 0
) AS entries

-- name: ledger_body
-- A body that was too large to be read with others, if it may be read at all.
SELECT CASE WHEN pg_catalog.octet_length(body::pg_catalog.text) OPERATOR(pg_catalog.<=) %(most)s THEN body::pg_catalog.text END
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND seq OPERATOR(pg_catalog.=) %(seq)s

-- name: discrepancies_beside_ledger
-- Each discrepancy with the entry that decided its state last, and the last entry that has both sides' values. A finding
-- that two sweeps open at the same time does not undo a person's verdict, so its entry decides nothing then.
WITH entries AS (
    SELECT d.id, l.seq, l.action, l.body OPERATOR(pg_catalog.?) 'local' AS has_values
    FROM reconciler.ledger AS l
    JOIN reconciler.discrepancies AS d
        ON d.account OPERATOR(pg_catalog.=) l.account AND d.subject OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'subject') AND d.kind OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'kind')
    WHERE l.account OPERATOR(pg_catalog.=) %(account)s AND l.action OPERATOR(pg_catalog.=) ANY (ARRAY['finding_opened', 'finding_changed'])
    UNION ALL
    SELECT d.id, l.seq, l.action, false
    FROM reconciler.ledger AS l
    JOIN reconciler.discrepancies AS d ON d.account OPERATOR(pg_catalog.=) l.account AND pg_catalog.to_jsonb(d.id) OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->) 'discrepancy')
    WHERE l.account OPERATOR(pg_catalog.=) %(account)s AND l.action OPERATOR(pg_catalog.=) ANY (ARRAY['resolution', 'reopening'])
    UNION ALL
    SELECT d.id, l.seq, l.action, false
    FROM reconciler.ledger AS l
    JOIN reconciler.discrepancies AS d
        ON d.account OPERATOR(pg_catalog.=) l.account AND d.subject OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'payment_intent') AND d.kind OPERATOR(pg_catalog.=) 'missed_outcome'
    WHERE l.account OPERATOR(pg_catalog.=) %(account)s AND l.action OPERATOR(pg_catalog.=) 'revert'
),
settled AS (
    SELECT *, pg_catalog.max(seq) FILTER (WHERE action OPERATOR(pg_catalog.=) ANY (ARRAY['resolution', 'reopening', 'revert'])) OVER (PARTITION BY id) AS settled_at
    FROM entries
),
decided AS (
    SELECT id, pg_catalog.max(seq) AS state_seq, pg_catalog.max(seq) FILTER (WHERE has_values) AS values_seq
    FROM settled
    WHERE action OPERATOR(pg_catalog.<>) 'finding_opened' OR settled_at IS NULL OR seq OPERATOR(pg_catalog.<) settled_at
    GROUP BY id
)
SELECT
    d.id, d.kind, d.state, d.fingerprint, s.seq, s.action, s.body OPERATOR(pg_catalog.->>) 'state', v.body OPERATOR(pg_catalog.->>) 'fingerprint',
    CASE WHEN NOT v.body OPERATOR(pg_catalog.?) 'fingerprint' AND pg_catalog.octet_length(v.body::pg_catalog.text) OPERATOR(pg_catalog.<=) %(most)s THEN v.body::pg_catalog.text END,
    d.local OPERATOR(pg_catalog.=) (v.body OPERATOR(pg_catalog.->) 'local') AND d.stripe OPERATOR(pg_catalog.=) (v.body OPERATOR(pg_catalog.->) 'stripe')
FROM reconciler.discrepancies AS d
LEFT JOIN decided AS c ON c.id OPERATOR(pg_catalog.=) d.id
LEFT JOIN reconciler.ledger AS s ON s.account OPERATOR(pg_catalog.=) d.account AND s.seq OPERATOR(pg_catalog.=) c.state_seq
LEFT JOIN reconciler.ledger AS v ON v.account OPERATOR(pg_catalog.=) d.account AND v.seq OPERATOR(pg_catalog.=) c.values_seq
WHERE d.account OPERATOR(pg_catalog.=) %(account)s

-- name: discrepancies_missing
-- Discrepancies that the ledger has and the table has not: nothing in Reconciler deletes one.
SELECT pg_catalog.max(l.seq), l.body OPERATOR(pg_catalog.->>) 'kind', pg_catalog.left(l.body OPERATOR(pg_catalog.->>) 'subject', 80)
FROM reconciler.ledger AS l
WHERE l.account OPERATOR(pg_catalog.=) %(account)s AND l.action OPERATOR(pg_catalog.=) ANY (ARRAY['finding_opened', 'finding_changed'])
    AND NOT EXISTS (
        SELECT FROM reconciler.discrepancies AS d
        WHERE d.account OPERATOR(pg_catalog.=) l.account AND d.subject OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'subject') AND d.kind OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'kind')
    )
GROUP BY l.body OPERATOR(pg_catalog.->>) 'subject', l.body OPERATOR(pg_catalog.->>) 'kind'

-- name: outbox_beside_ledger
-- Outbox rows without the entry of the write that they announce. A worker may delete rows, so none can be missing.
SELECT o.id, o.ledger_seq
FROM reconciler.outbox AS o
LEFT JOIN reconciler.ledger AS l ON l.account OPERATOR(pg_catalog.=) o.account AND l.seq OPERATOR(pg_catalog.=) o.ledger_seq
WHERE o.account OPERATOR(pg_catalog.=) %(account)s
    AND (
        l.seq IS NULL
        OR (o.kind OPERATOR(pg_catalog.=) 'revert') OPERATOR(pg_catalog.<>) (l.action OPERATOR(pg_catalog.=) 'revert')
        OR l.action OPERATOR(pg_catalog.<>) ALL (ARRAY['correction', 'resolution', 'revert'])
        OR o.payment_key IS DISTINCT FROM l.body OPERATOR(pg_catalog.->>) 'key'
        OR coalesce(o.from_status, '') OPERATOR(pg_catalog.<>) coalesce(l.body OPERATOR(pg_catalog.->) 'before' OPERATOR(pg_catalog.->>) 'status', '')
        OR coalesce(o.to_status, '') OPERATOR(pg_catalog.<>) coalesce(l.body OPERATOR(pg_catalog.->) 'after' OPERATOR(pg_catalog.->>) 'status', '')
    )

-- name: notes_beside_ledger
-- Notes without the entry that has their text's SHA-256, and whether there is another entry of them. A text that was
-- blanked needs the entry of that.
SELECT n.id, e.seq IS NOT NULL
FROM reconciler.notes AS n
LEFT JOIN reconciler.ledger AS e
    ON e.account OPERATOR(pg_catalog.=) n.account AND e.action OPERATOR(pg_catalog.=) 'note' AND e.body OPERATOR(pg_catalog.?) 'sha256' AND e.body OPERATOR(pg_catalog.->) 'note' OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(n.id)
WHERE n.account OPERATOR(pg_catalog.=) %(account)s
    AND (
        e.seq IS NULL
        OR n.redacted_at IS NULL AND (
            e.body OPERATOR(pg_catalog.->>) 'sha256' IS DISTINCT FROM pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(n.note, 'UTF8')), 'hex')
            OR e.body OPERATOR(pg_catalog.->) 'attachment' OPERATOR(pg_catalog.->>) 'name_sha256'
                IS DISTINCT FROM pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(n.attachment_name, 'UTF8')), 'hex')
        )
        OR n.redacted_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM reconciler.ledger AS r
            WHERE r.account OPERATOR(pg_catalog.=) n.account AND r.action OPERATOR(pg_catalog.=) 'note_redacted'
                AND r.body OPERATOR(pg_catalog.->) 'note' OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(n.id)
        )
        OR e.body OPERATOR(pg_catalog.->) 'attachment' OPERATOR(pg_catalog.->>) 'sha256' IS DISTINCT FROM n.attachment_sha256
        OR e.body OPERATOR(pg_catalog.->) 'discrepancy' IS DISTINCT FROM pg_catalog.to_jsonb(n.discrepancy)
        OR e.body OPERATOR(pg_catalog.->>) 'asked_by' IS DISTINCT FROM n.author
    )

-- name: notes_missing
-- Notes that the ledger has and the table has not.
SELECT e.seq, e.body OPERATOR(pg_catalog.->>) 'discrepancy'
FROM reconciler.ledger AS e
WHERE e.account OPERATOR(pg_catalog.=) %(account)s AND e.action OPERATOR(pg_catalog.=) 'note' AND e.body OPERATOR(pg_catalog.?) 'sha256'
    AND NOT EXISTS (
        SELECT FROM reconciler.notes AS n WHERE n.account OPERATOR(pg_catalog.=) e.account AND pg_catalog.to_jsonb(n.id) OPERATOR(pg_catalog.=) (e.body OPERATOR(pg_catalog.->) 'note')
    )

-- name: statement_sweeps
-- The sweeps that examined every payment of some days. What a statement shows of a day is what the last of them saw.
SELECT
    seq, at, body OPERATOR(pg_catalog.->) 'sweep',
    body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'first',
    body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'last',
    body OPERATOR(pg_catalog.->>) 'timezone'
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'sweep'
    AND body OPERATOR(pg_catalog.?) 'days' AND at OPERATOR(pg_catalog.<=) %(cut)s
ORDER BY seq

-- name: statement_days
-- The money of each day. A later sweep has counted the same days again, so several may be there for one.
SELECT body
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'day_totals'
    AND at OPERATOR(pg_catalog.<=) %(cut)s
    AND (body OPERATOR(pg_catalog.->>) 'day') OPERATOR(pg_catalog.>=) %(first)s
    AND (body OPERATOR(pg_catalog.->>) 'day') OPERATOR(pg_catalog.<=) %(last)s
ORDER BY seq

-- name: statement_findings
-- Every entry about a finding whose payment differed at some time, to know whether it still did at another.
WITH differing AS (
    SELECT DISTINCT
        body OPERATOR(pg_catalog.->>) 'subject' AS subject, body OPERATOR(pg_catalog.->>) 'kind' AS kind
    FROM reconciler.ledger
    WHERE account OPERATOR(pg_catalog.=) %(account)s
        AND action OPERATOR(pg_catalog.=) ANY (ARRAY['finding_opened', 'finding_changed'])
        AND body OPERATOR(pg_catalog.?) 'difference' AND at OPERATOR(pg_catalog.<=) %(cut)s
)
SELECT
    l.seq, l.at, d.subject, d.kind, l.body OPERATOR(pg_catalog.->>) 'state',
    l.body OPERATOR(pg_catalog.->) 'difference',
    (l.body OPERATOR(pg_catalog.->>) 'payment_created')::pg_catalog.timestamptz,
    l.body OPERATOR(pg_catalog.->>) 'severity', l.body OPERATOR(pg_catalog.->>) 'reason'
FROM reconciler.ledger AS l
JOIN differing AS d
    ON d.subject OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'subject')
    AND d.kind OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'kind')
WHERE l.account OPERATOR(pg_catalog.=) %(account)s
    AND l.action OPERATOR(pg_catalog.=) ANY (ARRAY['finding_opened', 'finding_changed'])
    AND l.at OPERATOR(pg_catalog.<=) %(cut)s
ORDER BY l.seq

-- name: ledger_head_at
-- The last entry of a chain at a moment: what a statement of that moment was made of.
SELECT seq, hash
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND at OPERATOR(pg_catalog.<=) %(cut)s
ORDER BY seq DESC
LIMIT 1

-- name: ledger_of_payment
-- The last entries about a payment, by the subject of a finding or the PaymentIntent of a write; an index serves it.
SELECT
    account, seq, (at AT TIME ZONE 'UTC')::pg_catalog.text, action,
    CASE WHEN pg_catalog.octet_length(body::pg_catalog.text) OPERATOR(pg_catalog.<=) %(most)s THEN body::pg_catalog.text END,
    prev, hash, role
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s
    AND coalesce(body OPERATOR(pg_catalog.->>) 'subject', body OPERATOR(pg_catalog.->>) 'payment_intent') OPERATOR(pg_catalog.=) ANY(%(subjects)s)
ORDER BY seq DESC
LIMIT %(limit)s
