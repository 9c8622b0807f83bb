SELECT
    c.seq,
    c.body ->> 'key',
    c.body ->> 'payment_intent',
    c.body -> 'before',
    c.body -> 'after',
    EXISTS (
        SELECT 1
        FROM reconciler.ledger AS r
        WHERE r.account = c.account AND r.action = 'revert' AND r.body -> 'sweep' = c.body -> 'sweep'
            AND r.body -> 'correction' = to_jsonb(c.seq)
    )
FROM reconciler.ledger AS c
WHERE c.account = %(account)s AND c.action = 'correction' AND c.body -> 'sweep' = to_jsonb(%(sweep)s::bigint)
ORDER BY c.seq
