-- name: discrepancies_insert
-- Findings that are stored for the first time.
INSERT INTO reconciler.discrepancies AS d (
    account, subject, kind, payment_intent, keys, severity, state, reason, cause, stake_amount, currency,
    local, stripe, evidence, fingerprint, first_seen, last_seen, changed_at, sweep, note, resolved_by,
    order_reference, payment_created, opened_at, seen_at
)
SELECT
    %(account)s, c.subject, c.kind, c.payment_intent, c.keys, c.severity, c.state, c.reason, c.cause,
    c.stake_amount, c.currency, c.local, c.stripe, c.evidence, c.fingerprint,
    %(seen_at)s, %(seen_at)s, %(seen_at)s, %(sweep)s, c.note, c.settled_by,
    c.order_reference, c.payment_created, %(seen_at)s, CASE WHEN c.settled_by IS NOT NULL THEN pg_catalog.now() END
FROM pg_catalog.jsonb_to_recordset(%(changes)s::pg_catalog.jsonb) AS c (
    subject pg_catalog.text, kind pg_catalog.text, payment_intent pg_catalog.text, keys pg_catalog.text[], severity pg_catalog.text, state pg_catalog.text, reason pg_catalog.text, cause pg_catalog.text,
    stake_amount bigint, currency pg_catalog.text, local pg_catalog.jsonb, stripe pg_catalog.jsonb, evidence pg_catalog.jsonb, fingerprint pg_catalog.text, note pg_catalog.text,
    settled_by pg_catalog.text, order_reference pg_catalog.text, payment_created pg_catalog.timestamptz
)
ORDER BY c.subject, c.kind
-- another sweep has stored the same one meanwhile. One that a person has settled since stays as it is, with its
-- fingerprint, so that the next sweep sees whether this one differs
ON CONFLICT (account, subject, kind) DO UPDATE SET
    payment_intent = excluded.payment_intent,
    keys = excluded.keys,
    severity = excluded.severity,
    state = excluded.state,
    reason = excluded.reason,
    cause = excluded.cause,
    closing = NULL,
    note = excluded.note,
    resolved_by = excluded.resolved_by,
    stake_amount = excluded.stake_amount,
    currency = excluded.currency,
    local = excluded.local,
    stripe = excluded.stripe,
    evidence = excluded.evidence,
    fingerprint = excluded.fingerprint,
    last_seen = greatest(d.last_seen, excluded.last_seen),
    changed_at = excluded.changed_at,
    sweep = excluded.sweep,
    order_reference = coalesce(excluded.order_reference, d.order_reference),
    payment_created = coalesce(excluded.payment_created, d.payment_created),
    opened_at = CASE WHEN d.state OPERATOR(pg_catalog.=) 'open' THEN d.opened_at ELSE excluded.opened_at END,
    seen_at = excluded.seen_at
WHERE d.state OPERATOR(pg_catalog.<>) ALL (ARRAY['resolved', 'ignored'])

-- name: discrepancies_update
-- Found again: identity and first_seen remain, and a person's note remains while the state stays.
UPDATE reconciler.discrepancies AS d
SET
    payment_intent = c.payment_intent,
    keys = c.keys,
    severity = c.severity,
    state = c.state,
    reason = c.reason,
    cause = c.cause,
    closing = NULL,
    note = coalesce(c.note, CASE WHEN d.state OPERATOR(pg_catalog.=) c.state THEN d.note END),
    resolved_by = coalesce(c.settled_by, CASE WHEN d.state OPERATOR(pg_catalog.=) c.state THEN d.resolved_by END),
    stake_amount = c.stake_amount,
    currency = c.currency,
    local = c.local,
    stripe = c.stripe,
    evidence = c.evidence,
    fingerprint = c.fingerprint,
    last_seen = greatest(d.last_seen, %(seen_at)s),
    changed_at = CASE WHEN c.is_news THEN %(seen_at)s ELSE d.changed_at END,
    sweep = coalesce(%(sweep)s, d.sweep),
    reverted = CASE WHEN NOT c.ends_revert THEN d.reverted END,
    order_reference = coalesce(c.order_reference, d.order_reference),
    payment_created = coalesce(c.payment_created, d.payment_created),
    opened_at = CASE
        WHEN c.state OPERATOR(pg_catalog.=) 'open' AND d.state OPERATOR(pg_catalog.<>) 'open' THEN %(seen_at)s ELSE d.opened_at
    END,
    -- what has changed since, no person has seen
    seen_at = CASE
        WHEN c.settled_by IS NOT NULL THEN pg_catalog.now() WHEN NOT c.is_news THEN d.seen_at
    END
FROM pg_catalog.jsonb_to_recordset(%(changes)s::pg_catalog.jsonb) AS c (
    subject pg_catalog.text, kind pg_catalog.text, payment_intent pg_catalog.text, keys pg_catalog.text[], severity pg_catalog.text, state pg_catalog.text, reason pg_catalog.text, cause pg_catalog.text,
    stake_amount bigint, currency pg_catalog.text, local pg_catalog.jsonb, stripe pg_catalog.jsonb, evidence pg_catalog.jsonb, fingerprint pg_catalog.text, is_news boolean,
    note pg_catalog.text, settled_by pg_catalog.text, ends_revert boolean, order_reference pg_catalog.text, payment_created pg_catalog.timestamptz
)
WHERE d.account OPERATOR(pg_catalog.=) %(account)s AND d.subject OPERATOR(pg_catalog.=) c.subject AND d.kind OPERATOR(pg_catalog.=) c.kind

-- name: discrepancies_move
-- Only the state changes: the discrepancy is closed, a person has settled it, or has taken its correction back.
UPDATE reconciler.discrepancies AS d
SET
    state = c.state,
    closing = c.closing,
    note = c.note,
    resolved_by = c.settled_by,
    changed_at = CASE WHEN c.is_news THEN greatest(%(seen_at)s, d.first_seen) ELSE d.changed_at END,
    sweep = coalesce(%(sweep)s, d.sweep),
    reverted = CASE WHEN NOT c.ends_revert THEN coalesce(c.revert, d.reverted) END,
    reason = CASE WHEN c.revert IS NULL THEN d.reason ELSE 'reverted' END,
    evidence = CASE
        WHEN c.revert IS NULL THEN d.evidence
        ELSE d.evidence OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object(
            'reverted',
            pg_catalog.jsonb_strip_nulls(c.revert OPERATOR(pg_catalog.-) 'keys'::pg_catalog.text OPERATOR(pg_catalog.-) 'outcome'::pg_catalog.text)
        )
    END,
    seen_at = CASE WHEN c.settled_by IS NULL AND c.revert IS NULL THEN d.seen_at ELSE pg_catalog.now() END
FROM unnest(
    %(subjects)s::pg_catalog.text[], %(kinds)s::pg_catalog.text[], %(states)s::pg_catalog.text[], %(closings)s::pg_catalog.text[],
    %(notes)s::pg_catalog.text[], %(settled_by)s::pg_catalog.text[], %(news)s::boolean[], %(ends_revert)s::boolean[], %(reverts)s::pg_catalog.jsonb[]
) AS c (subject, kind, state, closing, note, settled_by, is_news, ends_revert, revert)
WHERE d.account OPERATOR(pg_catalog.=) %(account)s AND d.subject OPERATOR(pg_catalog.=) c.subject AND d.kind OPERATOR(pg_catalog.=) c.kind

-- name: discrepancies_find
-- One statement for every list and export: a filter that is not set is null. The due date is not stored, because the
-- configuration may change.
SELECT
    p.id, p.account, p.kind, p.severity, p.state, p.payment_intent, p.keys, p.stake_amount, p.currency, p.reason, p.cause,
    p.closing, p.note, p.resolved_by, p.first_seen, p.last_seen, p.fingerprint, p.local, p.stripe, p.evidence,
    p.order_reference, p.payment_created, p.opened_at, p.owner, p.due_at, p.seen_at, p.changed_at, c.at, c.asked_by, c.sweep
FROM (
    SELECT d.*
    FROM (
        SELECT
            o.*,
            CASE WHEN o.state OPERATOR(pg_catalog.=) 'open' THEN o.opened_at OPERATOR(pg_catalog.+) pg_catalog.make_interval(secs => least(
                CASE
                    WHEN o.severity OPERATOR(pg_catalog.=) 'critical' THEN %(due_critical)s::pg_catalog.float8
                    WHEN o.severity OPERATOR(pg_catalog.=) 'warning' THEN %(due_warning)s::pg_catalog.float8
                    WHEN o.severity OPERATOR(pg_catalog.=) 'info' THEN %(due_info)s::pg_catalog.float8
                END,
                CASE WHEN %(due_currencies)s::pg_catalog.text[] IS NOT NULL THEN (
                    SELECT pg_catalog.min(r.seconds)
                    FROM unnest(
                        %(due_currencies)s::pg_catalog.text[], %(due_amounts)s::pg_catalog.int8[], %(due_seconds)s::pg_catalog.float8[]
                    ) AS r (currency, amount, seconds)
                    WHERE r.currency OPERATOR(pg_catalog.=) o.currency AND r.amount OPERATOR(pg_catalog.<=) o.stake_amount
                ) END
            )) END AS due_at
        FROM reconciler.discrepancies AS o
    ) AS d
    WHERE (%(ids)s::pg_catalog.int8[] IS NULL OR d.id OPERATOR(pg_catalog.=) ANY(%(ids)s::pg_catalog.int8[]))
        AND (%(account)s::pg_catalog.text IS NULL OR d.account OPERATOR(pg_catalog.=) %(account)s::pg_catalog.text)
        AND (%(states)s::pg_catalog.text[] IS NULL OR d.state OPERATOR(pg_catalog.=) ANY(%(states)s::pg_catalog.text[]))
        AND (%(kinds)s::pg_catalog.text[] IS NULL OR d.kind OPERATOR(pg_catalog.=) ANY(%(kinds)s::pg_catalog.text[]))
        AND (%(severities)s::pg_catalog.text[] IS NULL OR d.severity OPERATOR(pg_catalog.=) ANY(%(severities)s::pg_catalog.text[]))
        AND (%(since)s::pg_catalog.timestamptz IS NULL OR d.last_seen OPERATOR(pg_catalog.>=) %(since)s::pg_catalog.timestamptz)
        AND (%(payment_intent)s::pg_catalog.text IS NULL OR d.payment_intent OPERATOR(pg_catalog.=) %(payment_intent)s::pg_catalog.text)
        AND (%(order)s::pg_catalog.text IS NULL OR d.order_reference OPERATOR(pg_catalog.=) %(order)s::pg_catalog.text)
        AND (
            -- the expression of the index of names
            %(search)s::pg_catalog.text IS NULL
            OR (d.keys OPERATOR(pg_catalog.||) ARRAY[d.payment_intent, d.order_reference, d.id::pg_catalog.text])
            OPERATOR(pg_catalog.@>) ARRAY[%(search)s::pg_catalog.text]
        )
        AND (%(currency)s::pg_catalog.text IS NULL OR d.currency OPERATOR(pg_catalog.=) %(currency)s::pg_catalog.text)
        AND (%(paid_since)s::pg_catalog.timestamptz IS NULL OR d.payment_created OPERATOR(pg_catalog.>=) %(paid_since)s::pg_catalog.timestamptz)
        AND (%(paid_until)s::pg_catalog.timestamptz IS NULL OR d.payment_created OPERATOR(pg_catalog.<) %(paid_until)s::pg_catalog.timestamptz)
        AND (%(opened_before)s::pg_catalog.timestamptz IS NULL OR d.opened_at OPERATOR(pg_catalog.<) %(opened_before)s::pg_catalog.timestamptz)
        AND (%(due_before)s::pg_catalog.timestamptz IS NULL OR d.due_at OPERATOR(pg_catalog.<) %(due_before)s::pg_catalog.timestamptz)
        AND (%(owner)s::pg_catalog.text IS NULL OR d.owner OPERATOR(pg_catalog.=) %(owner)s::pg_catalog.text)
        AND (NOT %(without_owner)s::pg_catalog.bool OR d.owner IS NULL)
        AND (NOT %(unseen)s::pg_catalog.bool OR d.seen_at IS NULL)
        -- by the decimals of the currency: none, two, three
        AND (%(least_amounts)s::pg_catalog.int8[] IS NULL OR d.stake_amount OPERATOR(pg_catalog.>=) (%(least_amounts)s::pg_catalog.int8[])[
            CASE WHEN d.currency OPERATOR(pg_catalog.=) ANY(%(zero_decimal)s::pg_catalog.text[]) THEN 1 WHEN d.currency OPERATOR(pg_catalog.=) ANY(%(three_decimal)s::pg_catalog.text[]) THEN 3 ELSE 2 END
        ])
        AND (%(most_amounts)s::pg_catalog.int8[] IS NULL OR d.stake_amount OPERATOR(pg_catalog.<=) (%(most_amounts)s::pg_catalog.int8[])[
            CASE WHEN d.currency OPERATOR(pg_catalog.=) ANY(%(zero_decimal)s::pg_catalog.text[]) THEN 1 WHEN d.currency OPERATOR(pg_catalog.=) ANY(%(three_decimal)s::pg_catalog.text[]) THEN 3 ELSE 2 END
        ])
    ORDER BY d.{column} {direction} NULLS LAST, d.id {direction}
    LIMIT %(limit)s OFFSET %(offset)s
) AS p
LEFT JOIN LATERAL (
    SELECT l.at, l.asked_by, l.sweep
    FROM (
        SELECT e.seq, e.at, e.body OPERATOR(pg_catalog.->>) 'asked_by' AS asked_by, (e.body OPERATOR(pg_catalog.->>) 'sweep')::pg_catalog.int8 AS sweep
        FROM reconciler.ledger AS e
        WHERE p.state OPERATOR(pg_catalog.=) 'corrected' AND e.account OPERATOR(pg_catalog.=) p.account AND e.action OPERATOR(pg_catalog.=) 'correction'
            AND coalesce(e.body OPERATOR(pg_catalog.->>) 'subject', e.body OPERATOR(pg_catalog.->>) 'payment_intent')
            OPERATOR(pg_catalog.=) coalesce(p.evidence OPERATOR(pg_catalog.->>) 'paying_intent', p.payment_intent)
        -- without this PostgreSQL would walk through the ledger from its end
        OFFSET 0
    ) AS l
    ORDER BY l.seq DESC
    LIMIT 1
) AS c ON true
ORDER BY p.{column} {direction} NULLS LAST, p.id {direction}

-- name: discrepancies_aged
-- The money of open findings by age, in number and money. A payment with several findings counts once, with its greatest
-- amount and the age of its oldest.
SELECT a.currency, a.bucket, pg_catalog.count(*), pg_catalog.sum(a.amount)::pg_catalog.int8
FROM (
    SELECT
        d.currency, pg_catalog.max(d.stake_amount) AS amount,
        pg_catalog.width_bucket(
            pg_catalog.min(d.opened_at), %(starts)s::pg_catalog.timestamptz[]
        ) AS bucket
    FROM reconciler.discrepancies AS d
    WHERE d.state OPERATOR(pg_catalog.=) 'open' AND (%(account)s::pg_catalog.text IS NULL OR d.account OPERATOR(pg_catalog.=) %(account)s::pg_catalog.text)
    GROUP BY d.account, coalesce(d.payment_intent, d.subject), d.currency
) AS a
GROUP BY a.currency, a.bucket
ORDER BY a.currency, a.bucket

-- name: discrepancies_lock
-- A person decides about these. In the order of their numbers, so that two people never wait in a circle.
SELECT d.id
FROM reconciler.discrepancies AS d
WHERE d.id OPERATOR(pg_catalog.=) ANY(%(ids)s::pg_catalog.int8[])
ORDER BY d.id
FOR NO KEY UPDATE

-- name: account_of_discrepancy
-- A number belongs to one account, so a person need not name the account.
SELECT account FROM reconciler.discrepancies WHERE id OPERATOR(pg_catalog.=) %(id)s

-- name: account_of_sweep
-- A number belongs to one account, so a person need not name the account.
SELECT account FROM reconciler.sweeps WHERE id OPERATOR(pg_catalog.=) %(id)s

-- name: discrepancies_settle
-- A person's verdict replaces the reason for which a sweep closed it.
UPDATE reconciler.discrepancies
SET state = %(state)s, note = %(note)s, resolved_by = %(by)s, closing = NULL, changed_at = pg_catalog.now(), seen_at = pg_catalog.now()
WHERE id OPERATOR(pg_catalog.=) ANY(%(ids)s::pg_catalog.int8[])

-- name: discrepancies_assign
-- Whose they are. To name an owner is to have looked at it.
UPDATE reconciler.discrepancies
SET owner = %(owner)s, seen_at = coalesce(seen_at, pg_catalog.now())
WHERE id OPERATOR(pg_catalog.=) ANY(%(ids)s::pg_catalog.int8[])

-- name: corrections_of_sweep
-- What a sweep corrected, and which of it was reverted, in the ledger's order.
SELECT
    c.seq,
    c.body OPERATOR(pg_catalog.->>) 'key',
    c.body OPERATOR(pg_catalog.->>) 'payment_intent',
    coalesce(c.body OPERATOR(pg_catalog.->>) 'outcome', ''),
    c.body OPERATOR(pg_catalog.->) 'before',
    c.body OPERATOR(pg_catalog.->) 'after',
    EXISTS (
        SELECT 1
        FROM reconciler.ledger AS r
        WHERE r.account OPERATOR(pg_catalog.=) c.account AND r.action OPERATOR(pg_catalog.=) 'revert' AND r.body OPERATOR(pg_catalog.->) 'sweep' OPERATOR(pg_catalog.=) (c.body OPERATOR(pg_catalog.->) 'sweep')
            AND r.body OPERATOR(pg_catalog.->) 'correction' OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(c.seq)
    ),
    coalesce(c.body OPERATOR(pg_catalog.->) 'columns', pg_catalog.jsonb_build_object())
FROM reconciler.ledger AS c
WHERE c.account OPERATOR(pg_catalog.=) %(account)s AND c.action OPERATOR(pg_catalog.=) 'correction' AND c.body OPERATOR(pg_catalog.->) 'sweep' OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(%(sweep)s::bigint)
ORDER BY c.seq

-- name: reverted_intents
-- What sweep --again examines: the reverts of one sweep that still hold.
SELECT DISTINCT payment_intent
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) %(account)s AND reverted IS NOT NULL
    AND (reverted OPERATOR(pg_catalog.->) 'sweep') OPERATOR(pg_catalog.=) pg_catalog.to_jsonb(%(sweep)s::bigint)
    AND payment_intent IS NOT NULL
ORDER BY payment_intent

-- name: discrepancies_reopen
-- A person takes a decision back: what was accepted or reverted is a question again.
UPDATE reconciler.discrepancies
SET state = 'open', note = NULL, resolved_by = NULL, closing = NULL, changed_at = pg_catalog.now(), reverted = NULL,
    opened_at = pg_catalog.now(), seen_at = pg_catalog.now(),
    reason = CASE WHEN reason OPERATOR(pg_catalog.<>) 'reverted' THEN reason END
WHERE id OPERATOR(pg_catalog.=) ANY(%(ids)s::bigint[])

-- name: rechecks_of_reopened
-- The next sweep reads a reopened payment, also if its row is settled. A minute back: Stripe's clock may be behind.
INSERT INTO reconciler.rechecks AS k (account, payment_intent, due_at, reason)
SELECT DISTINCT d.account, d.payment_intent, pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 minute',
    'a person reopened its discrepancy'
FROM reconciler.discrepancies AS d
WHERE d.id OPERATOR(pg_catalog.=) ANY(%(ids)s::bigint[]) AND d.payment_intent IS NOT NULL
ORDER BY d.account, d.payment_intent
ON CONFLICT (account, payment_intent) DO UPDATE SET due_at = excluded.due_at, reason = excluded.reason

-- name: note_add
-- The daemon's role adds a note in a person's name.
SELECT reconciler.add_note(
    %(account)s, %(id)s::pg_catalog.int8, %(by)s, %(claimed_by)s, %(note)s, %(attachment_name)s, %(attachment_sha256)s
)

-- name: note_add_as_auditor
-- The author is the database role: the auditor cannot sign for another person.
INSERT INTO reconciler.notes (account, discrepancy, note, attachment_name, attachment_sha256)
VALUES (%(account)s, %(id)s, %(note)s, %(attachment_name)s, %(attachment_sha256)s)
RETURNING id

-- name: may_name_author
-- Whether this role may add a note in a person's name.
SELECT coalesce(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('reconciler.add_note(text, bigint, text, text, text, text, text)')::pg_catalog.oid, 'EXECUTE'), false)

-- name: note_redact
-- Blanks the text, with an entry in the ledger.
SELECT reconciler.redact_note(%(account)s, %(note)s::pg_catalog.int8, %(by)s, %(claimed_by)s)

-- name: note_by_number
-- A number belongs to one account.
SELECT id, account, discrepancy, author, claimed_by, note, attachment_name, attachment_sha256, at, redacted_at, redacted_by
FROM reconciler.notes
WHERE id OPERATOR(pg_catalog.=) %(id)s

-- name: notes_of_discrepancy
-- The notes of a discrepancy, oldest first.
SELECT id, account, discrepancy, author, claimed_by, note, attachment_name, attachment_sha256, at, redacted_at, redacted_by
FROM reconciler.notes
WHERE account OPERATOR(pg_catalog.=) %(account)s AND discrepancy OPERATOR(pg_catalog.=) %(id)s
ORDER BY id

-- name: view_record
-- Who looked at which payment; what is stored about it counts as seen.
SELECT reconciler.record_view(%(account)s, %(names)s::pg_catalog.text[], %(viewer)s)

-- name: may_record_view
-- A role for dry runs has no right in the schema, and the schema may not exist.
SELECT coalesce(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure('reconciler.record_view(text, text[], text)')::pg_catalog.oid, 'EXECUTE'), false)
    AND coalesce(pg_catalog.has_schema_privilege(pg_catalog.to_regnamespace('reconciler')::pg_catalog.oid, 'USAGE'), false)
    AND NOT pg_catalog.pg_is_in_recovery()

-- name: last_rebind
-- Corrections before this entry are about the rows of another binding.
SELECT COALESCE(pg_catalog.max(seq), 0)
FROM reconciler.ledger
WHERE account OPERATOR(pg_catalog.=) %(account)s AND action OPERATOR(pg_catalog.=) 'rebind'

-- name: discrepancies_of_payments
-- Those about a payment, by its PaymentIntent or by its row.
SELECT account, id, subject, kind, payment_intent
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) ANY(%(accounts)s)
    AND (subject OPERATOR(pg_catalog.=) ANY(%(subjects)s) OR payment_intent OPERATOR(pg_catalog.=) ANY(%(subjects)s))
ORDER BY account, id

-- name: discrepancies_of_orders
-- A person asks about one payment of an order, and another one of it may have been paid too. A few tell that, open ones first.
SELECT id
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) %(account)s AND order_reference OPERATOR(pg_catalog.=) ANY(%(orders)s)
    AND state OPERATOR(pg_catalog.=) ANY(ARRAY['open', 'resolved', 'ignored'])
ORDER BY state OPERATOR(pg_catalog.=) 'open' DESC, id DESC
LIMIT 20

-- name: discrepancies_of_payer
-- Only an open one tells a person what to do with the PaymentIntent that no row holds; its order is that of the row.
SELECT account, id
FROM reconciler.discrepancies
WHERE account OPERATOR(pg_catalog.=) ANY(%(accounts)s) AND state OPERATOR(pg_catalog.=) 'open'
    AND kind OPERATOR(pg_catalog.=) 'paid_by_other_intent'
    AND (evidence OPERATOR(pg_catalog.->>) 'paying_intent') OPERATOR(pg_catalog.=) %(intent)s
ORDER BY account, id
