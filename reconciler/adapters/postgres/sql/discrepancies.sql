-- name: discrepancies_insert
-- Findings that are stored for the first time.
INSERT INTO reconciler.discrepancies AS d (
    account, subject, kind, payment_intent, keys, severity, state, reason, cause, stake_amount, currency,
    local, stripe, evidence, fingerprint, first_seen, last_seen, changed_at, sweep, note, resolved_by
)
SELECT
    %(account)s, c.subject, c.kind, c.payment_intent, c.keys, c.severity, c.state, c.reason, c.cause,
    c.stake_amount, c.currency, c.local, c.stripe, c.evidence, c.fingerprint,
    %(seen_at)s, %(seen_at)s, %(seen_at)s, %(sweep)s, c.note, c.settled_by
FROM pg_catalog.jsonb_to_recordset(%(changes)s::pg_catalog.jsonb) AS c (
    subject pg_catalog.text, kind pg_catalog.text, payment_intent pg_catalog.text, keys pg_catalog.text[], severity pg_catalog.text, state pg_catalog.text, reason pg_catalog.text, cause pg_catalog.text,
    stake_amount bigint, currency pg_catalog.text, local pg_catalog.jsonb, stripe pg_catalog.jsonb, evidence pg_catalog.jsonb, fingerprint pg_catalog.text, note pg_catalog.text,
    settled_by pg_catalog.text
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
    sweep = excluded.sweep
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
    reverted = CASE WHEN NOT c.ends_revert THEN d.reverted END
FROM pg_catalog.jsonb_to_recordset(%(changes)s::pg_catalog.jsonb) AS c (
    subject pg_catalog.text, kind pg_catalog.text, payment_intent pg_catalog.text, keys pg_catalog.text[], severity pg_catalog.text, state pg_catalog.text, reason pg_catalog.text, cause pg_catalog.text,
    stake_amount bigint, currency pg_catalog.text, local pg_catalog.jsonb, stripe pg_catalog.jsonb, evidence pg_catalog.jsonb, fingerprint pg_catalog.text, is_news boolean,
    note pg_catalog.text, settled_by pg_catalog.text, ends_revert boolean
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
    END
FROM unnest(
    %(subjects)s::pg_catalog.text[], %(kinds)s::pg_catalog.text[], %(states)s::pg_catalog.text[], %(closings)s::pg_catalog.text[],
    %(notes)s::pg_catalog.text[], %(settled_by)s::pg_catalog.text[], %(news)s::boolean[], %(ends_revert)s::boolean[], %(reverts)s::pg_catalog.jsonb[]
) AS c (subject, kind, state, closing, note, settled_by, is_news, ends_revert, revert)
WHERE d.account OPERATOR(pg_catalog.=) %(account)s AND d.subject OPERATOR(pg_catalog.=) c.subject AND d.kind OPERATOR(pg_catalog.=) c.kind

-- name: discrepancies_find
-- One statement for every list and export: a filter that is not set is null.
SELECT
    id, account, kind, severity, state, payment_intent, keys, stake_amount, currency, reason, cause, closing,
    note, resolved_by, first_seen, last_seen, fingerprint, local, stripe, evidence
FROM reconciler.discrepancies
WHERE (%(id)s::bigint IS NULL OR id OPERATOR(pg_catalog.=) %(id)s::bigint)
    AND (%(account)s::pg_catalog.text IS NULL OR account OPERATOR(pg_catalog.=) %(account)s::pg_catalog.text)
    AND (%(states)s::pg_catalog.text[] IS NULL OR state OPERATOR(pg_catalog.=) ANY(%(states)s::pg_catalog.text[]))
    AND (%(kinds)s::pg_catalog.text[] IS NULL OR kind OPERATOR(pg_catalog.=) ANY(%(kinds)s::pg_catalog.text[]))
    AND (%(severities)s::pg_catalog.text[] IS NULL OR severity OPERATOR(pg_catalog.=) ANY(%(severities)s::pg_catalog.text[]))
    AND (%(since)s::pg_catalog.timestamptz IS NULL OR last_seen OPERATOR(pg_catalog.>=) %(since)s::pg_catalog.timestamptz)
    AND (%(payment_intent)s::pg_catalog.text IS NULL OR payment_intent OPERATOR(pg_catalog.=) %(payment_intent)s::pg_catalog.text)
ORDER BY last_seen DESC, id DESC
LIMIT %(limit)s

-- name: account_of_discrepancy
-- A number belongs to one account, so a person need not name the account.
SELECT account FROM reconciler.discrepancies WHERE id OPERATOR(pg_catalog.=) %(id)s

-- name: account_of_sweep
-- A number belongs to one account, so a person need not name the account.
SELECT account FROM reconciler.sweeps WHERE id OPERATOR(pg_catalog.=) %(id)s

-- name: discrepancy_settle
-- A person's verdict replaces the reason for which a sweep closed it.
UPDATE reconciler.discrepancies
SET state = %(state)s, note = %(note)s, resolved_by = %(by)s, closing = NULL, changed_at = pg_catalog.now()
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) %(id)s
RETURNING id

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
    reason = CASE WHEN reason OPERATOR(pg_catalog.<>) 'reverted' THEN reason END
WHERE account OPERATOR(pg_catalog.=) %(account)s AND id OPERATOR(pg_catalog.=) ANY(%(ids)s::bigint[])

-- name: rechecks_of_reopened
-- The next sweep reads a reopened payment, also if its row is settled. A minute back: Stripe's clock may be behind.
INSERT INTO reconciler.rechecks AS k (account, payment_intent, due_at, reason)
SELECT DISTINCT d.account, d.payment_intent, pg_catalog.now() OPERATOR(pg_catalog.-) interval '1 minute',
    'a person reopened its discrepancy'
FROM reconciler.discrepancies AS d
WHERE d.account OPERATOR(pg_catalog.=) %(account)s AND d.id OPERATOR(pg_catalog.=) ANY(%(ids)s::bigint[])
    AND d.payment_intent IS NOT NULL
ON CONFLICT (account, payment_intent) DO UPDATE SET due_at = excluded.due_at, reason = excluded.reason

-- name: note_add
-- The daemon's role adds a note in a person's name.
SELECT reconciler.add_note(%(account)s, %(id)s::pg_catalog.int8, %(by)s, %(note)s)

-- name: note_add_as_auditor
-- The author is the database role: the auditor cannot sign for another person.
INSERT INTO reconciler.notes (account, discrepancy, note)
VALUES (%(account)s, %(id)s, %(note)s)

-- name: notes_of_discrepancy
-- The notes of a discrepancy, oldest first.
SELECT author, note, at
FROM reconciler.notes
WHERE account OPERATOR(pg_catalog.=) %(account)s AND discrepancy OPERATOR(pg_catalog.=) %(id)s
ORDER BY id

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
