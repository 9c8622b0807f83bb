-- seconds from the newest event known of each corrected intent to its correction, of one pass
SELECT extract(epoch FROM l.at - max(e.created))::float8
FROM reconciler.ledger AS l
JOIN reconciler.events AS e ON e.account = l.account AND e.payment_intent = l.body ->> 'payment_intent'
WHERE l.account = %(account)s AND l.action = 'correction' AND (l.body -> 'sweep') = to_jsonb(%(sweep)s::bigint)
    AND e.created <= l.at
GROUP BY l.seq, l.at
