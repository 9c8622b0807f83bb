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
-- For each day the last sweep that examined every payment of it: what a statement shows of a day is what that sweep saw.
-- Days that were added up in another time zone are other days.
WITH sweeps AS MATERIALIZED (
    SELECT
        seq, at, body OPERATOR(pg_catalog.->>) 'sweep' AS sweep,
        body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'first' AS first_day,
        body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'last' AS last_day,
        body OPERATOR(pg_catalog.->>) 'timezone' AS timezone,
        coalesce(body OPERATOR(pg_catalog.->) 'certificate', pg_catalog.jsonb_build_object()) AS certificate,
        pg_catalog.jsonb_build_object(
            'reads', body OPERATOR(pg_catalog.->) 'reads',
            'examined', body OPERATOR(pg_catalog.->) 'examined',
            'rows_of_no_account', body OPERATOR(pg_catalog.->) 'rows_of_no_account',
            'asked_by', body OPERATOR(pg_catalog.->) 'asked_by'
        ) AS facts
    FROM reconciler.ledger
    WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'sweep'
        AND body OPERATOR(pg_catalog.?) 'days' AND at OPERATOR(pg_catalog.<=) %(cut)s
        AND (body OPERATOR(pg_catalog.->>) 'timezone') OPERATOR(pg_catalog.=) %(zone)s
        AND (body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'first') OPERATOR(pg_catalog.<=) %(last)s
        AND (body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'last') OPERATOR(pg_catalog.>=) %(first)s
)
SELECT DISTINCT s.seq, s.at, s.sweep, s.first_day, s.last_day, s.timezone, s.certificate, s.facts
FROM pg_catalog.unnest(%(days)s::pg_catalog.text[]) AS d (day),
    LATERAL (
        SELECT * FROM sweeps AS one
        WHERE d.day OPERATOR(pg_catalog.>=) one.first_day AND d.day OPERATOR(pg_catalog.<=) one.last_day
        ORDER BY one.seq DESC
        LIMIT 1
    ) AS s
ORDER BY s.seq

-- name: statement_days
-- The money of each day as these sweeps counted it.
SELECT body
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'day_totals'
    AND at OPERATOR(pg_catalog.<=) %(cut)s
    AND (body OPERATOR(pg_catalog.->>) 'sweep') OPERATOR(pg_catalog.=) ANY (%(sweeps)s::pg_catalog.text[])
    AND (body OPERATOR(pg_catalog.->>) 'day') OPERATOR(pg_catalog.=) ANY (%(days)s::pg_catalog.text[])
ORDER BY seq

-- name: statement_later_sweeps
-- The sweeps after the cut-off that examined days of the period again. last_sweep is an entry of before the cut-off: with
-- the index of actions nothing before it is read.
SELECT
    seq, at, body OPERATOR(pg_catalog.->>) 'sweep',
    body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'first',
    body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'last',
    body OPERATOR(pg_catalog.->>) 'timezone'
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND seq OPERATOR(pg_catalog.>) %(last_sweep)s AND action OPERATOR(pg_catalog.=) 'sweep'
    AND body OPERATOR(pg_catalog.?) 'days' AND at OPERATOR(pg_catalog.>) %(cut)s AND at OPERATOR(pg_catalog.<=) %(as_of)s
    AND (body OPERATOR(pg_catalog.->>) 'timezone') OPERATOR(pg_catalog.=) %(zone)s
    AND (body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'first') OPERATOR(pg_catalog.<=) %(last)s
    AND (body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'last') OPERATOR(pg_catalog.>=) %(first)s
ORDER BY seq

-- name: statement_later_days
-- The money of the period's days as sweeps counted it after the cut-off.
SELECT body
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND seq OPERATOR(pg_catalog.>) %(last_sweep)s AND action OPERATOR(pg_catalog.=) 'day_totals'
    AND at OPERATOR(pg_catalog.>) %(cut)s AND at OPERATOR(pg_catalog.<=) %(as_of)s
    AND (body OPERATOR(pg_catalog.->>) 'day') OPERATOR(pg_catalog.>=) %(first)s
    AND (body OPERATOR(pg_catalog.->>) 'day') OPERATOR(pg_catalog.<=) %(last)s
ORDER BY seq

-- name: statement_money_back
-- What findings said after the cut-off about refunds and lost disputes of the period's payments. They change no difference.
SELECT seq, at, action, body
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND seq OPERATOR(pg_catalog.>) %(last_sweep)s AND action OPERATOR(pg_catalog.=) ANY (ARRAY['finding_opened', 'finding_changed'])
    AND at OPERATOR(pg_catalog.>) %(cut)s AND at OPERATOR(pg_catalog.<=) %(as_of)s
    AND (body OPERATOR(pg_catalog.->>) 'kind') OPERATOR(pg_catalog.=) ANY (%(money_back_kinds)s::pg_catalog.text[])
    AND (body OPERATOR(pg_catalog.->) 'evidence' OPERATOR(pg_catalog.->>) 'created') OPERATOR(pg_catalog.>=) %(start_text)s
    AND (body OPERATOR(pg_catalog.->) 'evidence' OPERATOR(pg_catalog.->>) 'created') OPERATOR(pg_catalog.<) %(end_text)s
ORDER BY seq

-- name: statement_findings
-- Every entry about a finding whose payment differed and that a statement is about: the payment is of the period, or the
-- difference was there at the beginning, or came up since. The greatest of twice each seq is odd if the last entry differs.
WITH findings AS MATERIALIZED (
    SELECT
        seq, at, body OPERATOR(pg_catalog.->>) 'subject' AS subject, body OPERATOR(pg_catalog.->>) 'kind' AS kind,
        body OPERATOR(pg_catalog.->>) 'state' AS state, body OPERATOR(pg_catalog.->) 'difference' AS difference,
        body OPERATOR(pg_catalog.->>) 'payment_created' AS payment_created,
        body OPERATOR(pg_catalog.->>) 'severity' AS severity, body OPERATOR(pg_catalog.->>) 'reason' AS reason,
        body OPERATOR(pg_catalog.->) 'evidence' OPERATOR(pg_catalog.->) 'charge' OPERATOR(pg_catalog.->>) 'created' AS paid_at
    FROM reconciler.ledger
    WHERE account OPERATOR(pg_catalog.=) %(account)s
        AND action OPERATOR(pg_catalog.=) ANY (ARRAY['finding_opened', 'finding_changed'])
        AND at OPERATOR(pg_catalog.<=) %(as_of)s
),
wanted AS (
    SELECT subject, kind
    FROM findings
    GROUP BY subject, kind
    HAVING pg_catalog.count(difference) OPERATOR(pg_catalog.>) 0
        AND (
            pg_catalog.bool_or(
                at OPERATOR(pg_catalog.>) %(start)s AND at OPERATOR(pg_catalog.<=) %(cut)s
                OR payment_created OPERATOR(pg_catalog.>=) %(start_text)s
                AND payment_created OPERATOR(pg_catalog.<) %(end_text)s
            )
            OR pg_catalog.max(seq OPERATOR(pg_catalog.*) 2 OPERATOR(pg_catalog.+) (
                difference IS NOT NULL AND state OPERATOR(pg_catalog.=) ANY (%(differing)s::pg_catalog.text[])
            )::pg_catalog.int4) FILTER (WHERE at OPERATOR(pg_catalog.<=) %(start)s) OPERATOR(pg_catalog.%%) 2 OPERATOR(pg_catalog.=) 1
        )
)
SELECT
    f.seq, f.at, f.subject, f.kind, f.state, f.difference::pg_catalog.text, f.payment_created::pg_catalog.timestamptz, f.severity, f.reason,
    f.paid_at::pg_catalog.timestamptz
FROM findings AS f
JOIN wanted AS w ON w.subject OPERATOR(pg_catalog.=) f.subject AND w.kind OPERATOR(pg_catalog.=) f.kind
ORDER BY f.subject COLLATE pg_catalog."C", f.kind COLLATE pg_catalog."C", f.seq

-- name: statement_owners
-- Whose each finding was at a moment.
SELECT DISTINCT ON (body OPERATOR(pg_catalog.->>) 'subject', body OPERATOR(pg_catalog.->>) 'kind')
    body OPERATOR(pg_catalog.->>) 'subject', body OPERATOR(pg_catalog.->>) 'kind', body OPERATOR(pg_catalog.->>) 'owner'
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'assignment'
    AND at OPERATOR(pg_catalog.<=) %(as_of)s
ORDER BY body OPERATOR(pg_catalog.->>) 'subject', body OPERATOR(pg_catalog.->>) 'kind', seq DESC

-- name: statement_corrections
-- What was written to rows, and taken back, from one moment to another.
SELECT
    account, seq, at, action, body OPERATOR(pg_catalog.->>) 'payment_intent', body OPERATOR(pg_catalog.->>) 'key',
    body OPERATOR(pg_catalog.->) 'before' OPERATOR(pg_catalog.->>) 'status',
    body OPERATOR(pg_catalog.->) 'after' OPERATOR(pg_catalog.->>) 'status',
    body OPERATOR(pg_catalog.->>) 'asked_by', (body OPERATOR(pg_catalog.->>) 'sweep')::pg_catalog.int8
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s
    AND action OPERATOR(pg_catalog.=) ANY (ARRAY['correction', 'revert'])
    AND at OPERATOR(pg_catalog.>=) %(start)s AND at OPERATOR(pg_catalog.<=) %(cut)s
ORDER BY seq

-- name: ledger_head_at
-- The last entry of a chain at a moment: what a statement of that moment was made of.
SELECT seq, hash
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND at OPERATOR(pg_catalog.<=) %(as_of)s
ORDER BY seq DESC
LIMIT 1

-- name: ledger_of_payment
-- The last entries about a payment, by the subject of a finding or the PaymentIntent of a write. OFFSET 0 keeps PostgreSQL
-- to the index of a payment's history, name by name: a prepared plan would walk the whole ledger from its end.
SELECT
    entries.account, entries.seq, (entries.at AT TIME ZONE 'UTC')::pg_catalog.text, entries.action,
    CASE WHEN pg_catalog.octet_length(entries.body::pg_catalog.text) OPERATOR(pg_catalog.<=) %(most)s THEN entries.body::pg_catalog.text END,
    entries.prev, entries.hash, entries.role
FROM (SELECT DISTINCT name FROM pg_catalog.unnest(%(subjects)s::pg_catalog.text[]) AS given (name)) AS named,
LATERAL (
    SELECT l.account, l.seq, l.at, l.action, l.body, l.prev, l.hash, l.role
    FROM reconciler.ledger AS l
    WHERE l.account OPERATOR(pg_catalog.=) %(account)s
        AND coalesce(l.body OPERATOR(pg_catalog.->>) 'subject', l.body OPERATOR(pg_catalog.->>) 'payment_intent') OPERATOR(pg_catalog.=) named.name
    OFFSET 0
) AS entries
ORDER BY entries.seq DESC
LIMIT %(limit)s

-- name: period_steps
-- The steps of closing a period, in their order.
SELECT seq, at, action, body
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) ANY (ARRAY['period_prepared', 'period_signed', 'period_reopened'])
    AND (body OPERATOR(pg_catalog.->) 'period' OPERATOR(pg_catalog.->>) 'first') OPERATOR(pg_catalog.=) %(first)s AND (body OPERATOR(pg_catalog.->) 'period' OPERATOR(pg_catalog.->>) 'last') OPERATOR(pg_catalog.=) %(last)s
    AND (body OPERATOR(pg_catalog.->>) 'timezone') OPERATOR(pg_catalog.=) %(timezone)s
ORDER BY seq

-- name: closed_periods
-- The steps of every period, in their order, each with its period: a list of them, and those that share days.
SELECT
    body OPERATOR(pg_catalog.->) 'period' OPERATOR(pg_catalog.->>) 'first', body OPERATOR(pg_catalog.->) 'period' OPERATOR(pg_catalog.->>) 'last',
    body OPERATOR(pg_catalog.->>) 'timezone', seq, at, action, body
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) ANY (ARRAY['period_prepared', 'period_signed', 'period_reopened'])
ORDER BY seq

-- name: period_late_findings
-- What was found after the cut-off of a period, although it is dated before, and what the ledger knew of it then.
-- The money is dated by its charge; without one by the payment.
SELECT DISTINCT ON ((l.body OPERATOR(pg_catalog.->>) 'subject'), (l.body OPERATOR(pg_catalog.->>) 'kind'))
    l.seq, l.at, (l.body OPERATOR(pg_catalog.->>) 'subject'), (l.body OPERATOR(pg_catalog.->>) 'kind'), (l.body OPERATOR(pg_catalog.->) 'difference'), l.dated, (b.body OPERATOR(pg_catalog.->>) 'state'), (b.body OPERATOR(pg_catalog.->) 'difference')
FROM (
    SELECT
        e.seq, e.at, e.body, ((e.body OPERATOR(pg_catalog.->>) 'payment_created'))::pg_catalog.timestamptz AS created,
        coalesce((e.body OPERATOR(pg_catalog.->) 'evidence' OPERATOR(pg_catalog.->) 'charge' OPERATOR(pg_catalog.->>) 'created'), (e.body OPERATOR(pg_catalog.->>) 'payment_created'))::pg_catalog.timestamptz AS dated
    FROM reconciler.ledger AS e
    WHERE e.account OPERATOR(pg_catalog.=) %(account)s AND e.at OPERATOR(pg_catalog.>) %(cut)s
        AND e.action OPERATOR(pg_catalog.=) ANY (ARRAY['finding_opened', 'finding_changed']) AND e.body OPERATOR(pg_catalog.?) 'difference'
    OFFSET 0
) AS l
LEFT JOIN LATERAL (
    SELECT e.body
    FROM reconciler.ledger AS e
    WHERE e.account OPERATOR(pg_catalog.=) %(account)s AND coalesce((e.body OPERATOR(pg_catalog.->>) 'subject'), (e.body OPERATOR(pg_catalog.->>) 'payment_intent')) OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'subject')
        AND e.action OPERATOR(pg_catalog.=) ANY (ARRAY['finding_opened', 'finding_changed'])
        AND (e.body OPERATOR(pg_catalog.->>) 'kind') OPERATOR(pg_catalog.=) (l.body OPERATOR(pg_catalog.->>) 'kind') AND e.at OPERATOR(pg_catalog.<=) %(cut)s
    ORDER BY e.seq DESC
    LIMIT 1
) AS b ON true
WHERE l.created OPERATOR(pg_catalog.>=) %(start)s AND l.created OPERATOR(pg_catalog.<) %(end)s AND l.dated OPERATOR(pg_catalog.<=) %(cut)s
ORDER BY (l.body OPERATOR(pg_catalog.->>) 'subject'), (l.body OPERATOR(pg_catalog.->>) 'kind'), l.seq DESC

-- name: corrections_listed
-- The rows that one sweep corrected, for people. The order stands with the discrepancy, the rest in the ledger.
SELECT
    c.seq, c.at, c.body OPERATOR(pg_catalog.->>) 'key', (
        SELECT d.order_reference
        FROM reconciler.discrepancies AS d
        WHERE d.account OPERATOR(pg_catalog.=) c.account AND d.payment_intent OPERATOR(pg_catalog.=) (c.body OPERATOR(pg_catalog.->>) 'payment_intent')
            AND d.order_reference IS NOT NULL
        ORDER BY d.id DESC
        LIMIT 1
    ),
    c.body OPERATOR(pg_catalog.->>) 'payment_intent', (c.body OPERATOR(pg_catalog.->>) 'amount')::pg_catalog.int8, c.body OPERATOR(pg_catalog.->>) 'currency',
    c.body OPERATOR(pg_catalog.->) 'before' OPERATOR(pg_catalog.->>) 'status', c.body OPERATOR(pg_catalog.->) 'after' OPERATOR(pg_catalog.->>) 'status',
    EXISTS (
        SELECT FROM reconciler.ledger AS r
        WHERE r.account OPERATOR(pg_catalog.=) c.account AND r.action OPERATOR(pg_catalog.=) 'revert' AND (r.body OPERATOR(pg_catalog.->) 'sweep') OPERATOR(pg_catalog.=) (c.body OPERATOR(pg_catalog.->) 'sweep')
            AND (r.body OPERATOR(pg_catalog.->) 'correction') OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(c.seq)
    )
FROM reconciler.ledger AS c
WHERE c.account OPERATOR(pg_catalog.=) %(account)s AND c.action OPERATOR(pg_catalog.=) 'correction' AND (c.body OPERATOR(pg_catalog.->) 'sweep') OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(%(sweep)s::pg_catalog.int8)
ORDER BY c.seq

-- name: sweeps_listed
-- The newest sweeps, with what the ledger says that they corrected, and what of it was taken back. Corrections from before
-- the account was bound to another table cannot be taken back.
SELECT
    s.id, s.account, s.kind, s.mode, s.applied, s.asked_by, s.started_at, s.finished_at, s.complete, s.reads, s.examined,
    c.corrected, c.reverted, greatest(c.of_this_table OPERATOR(pg_catalog.-) c.reverted, 0)
FROM (
    SELECT
        w.id, w.account, w.kind, w.mode, w.applied, w.asked_by, w.started_at, w.finished_at, w.complete,
        (w.report OPERATOR(pg_catalog.->>) 'reads')::pg_catalog.int8 AS reads, (w.report OPERATOR(pg_catalog.->>) 'examined')::pg_catalog.int8 AS examined
    FROM reconciler.sweeps AS w
    WHERE (%(id)s::pg_catalog.int8 IS NULL OR w.id OPERATOR(pg_catalog.=) %(id)s::pg_catalog.int8)
        AND (%(account)s::pg_catalog.text IS NULL OR w.account OPERATOR(pg_catalog.=) %(account)s::pg_catalog.text)
    ORDER BY w.id DESC
    LIMIT %(limit)s
) AS s
CROSS JOIN LATERAL (
    SELECT coalesce(pg_catalog.max(r.seq), 0) AS seq
    FROM reconciler.ledger AS r
    WHERE r.account OPERATOR(pg_catalog.=) s.account AND r.action OPERATOR(pg_catalog.=) 'rebind'
) AS bound
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.count(*) FILTER (WHERE l.action OPERATOR(pg_catalog.=) 'correction') AS corrected,
        pg_catalog.count(*) FILTER (WHERE l.action OPERATOR(pg_catalog.=) 'revert') AS reverted,
        pg_catalog.count(*) FILTER (WHERE l.action OPERATOR(pg_catalog.=) 'correction' AND l.seq OPERATOR(pg_catalog.>) bound.seq) AS of_this_table
    FROM reconciler.ledger AS l
    WHERE l.account OPERATOR(pg_catalog.=) s.account AND l.action OPERATOR(pg_catalog.=) ANY (ARRAY['correction', 'revert']) AND (l.body OPERATOR(pg_catalog.->) 'sweep') OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(s.id)
) AS c
ORDER BY s.id DESC

-- name: sample_population
-- What a sample is drawn from: the corrections and the first findings that were recorded in a range.
SELECT
    pg_catalog.count(*) FILTER (WHERE action OPERATOR(pg_catalog.=) 'correction'),
    pg_catalog.count(*) FILTER (WHERE action OPERATOR(pg_catalog.=) 'finding_opened')
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) ANY (ARRAY['correction', 'finding_opened'])
    AND at OPERATOR(pg_catalog.>=) %(start)s AND at OPERATOR(pg_catalog.<) %(end)s

-- name: sample_draw
-- Those with the lowest SHA-256 of the seed and the entry's hash, each with its discrepancy: an auditor can draw them again
-- from an export. The discrepancy is null if it was removed, and for a correction that never had one.
SELECT
    pg_catalog.encode(l.draw, 'hex'), d.id, l.account, l.seq, (l.at AT TIME ZONE 'UTC')::pg_catalog.text, l.action,
    CASE WHEN pg_catalog.octet_length(l.body::pg_catalog.text) OPERATOR(pg_catalog.<=) %(most)s THEN l.body::pg_catalog.text END,
    l.prev, l.hash, l.role
FROM (
    SELECT e.*, pg_catalog.sha256(pg_catalog.convert_to(%(seed)s::pg_catalog.text OPERATOR(pg_catalog.||) ':' OPERATOR(pg_catalog.||) e.hash, 'UTF8')) AS draw
    FROM reconciler.ledger AS e
    WHERE e.account OPERATOR(pg_catalog.=) %(account)s AND e.action OPERATOR(pg_catalog.=) ANY (ARRAY['correction', 'finding_opened'])
        AND e.at OPERATOR(pg_catalog.>=) %(start)s AND e.at OPERATOR(pg_catalog.<) %(end)s
    ORDER BY draw, e.seq
    LIMIT %(size)s
) AS l
LEFT JOIN reconciler.discrepancies AS d
    ON d.account OPERATOR(pg_catalog.=) l.account
    AND d.subject OPERATOR(pg_catalog.=) coalesce(l.body OPERATOR(pg_catalog.->>) 'subject', l.body OPERATOR(pg_catalog.->>) 'payment_intent')
    AND d.kind OPERATOR(pg_catalog.=) CASE WHEN l.action OPERATOR(pg_catalog.=) 'correction' THEN 'missed_outcome' ELSE l.body OPERATOR(pg_catalog.->>) 'kind' END
ORDER BY l.draw, l.seq

-- name: examined_ranges
-- The days that a sweep examined to the end; an index of actions serves it.
SELECT DISTINCT
    body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'first',
    body OPERATOR(pg_catalog.->) 'days' OPERATOR(pg_catalog.->>) 'last'
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'sweep' AND body OPERATOR(pg_catalog.?) 'days'
