-- only the state moves: closed without being met again, or settled by a person
UPDATE reconciler.discrepancies AS d
SET
    state = c.state,
    closing = c.closing,
    note = c.note,
    resolved_by = c.settled_by,
    changed_at = CASE WHEN c.is_news THEN greatest(%(seen_at)s, d.first_seen) ELSE d.changed_at END,
    sweep = coalesce(%(sweep)s, d.sweep)
FROM unnest(
    %(subjects)s::text[], %(kinds)s::text[], %(states)s::text[], %(closings)s::text[],
    %(notes)s::text[], %(settled_by)s::text[], %(news)s::boolean[]
) AS c (subject, kind, state, closing, note, settled_by, is_news)
WHERE d.account = %(account)s AND d.subject = c.subject AND d.kind = c.kind
