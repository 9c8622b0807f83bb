-- a cursor never moves back, unless a clock that was wrong had moved it into the future
INSERT INTO reconciler.cursors AS c (account, name, handled_until)
SELECT %(account)s, n.name, n.reached
FROM unnest(%(names)s::text[], %(reached)s::timestamptz[]) AS n (name, reached)
ORDER BY n.name
ON CONFLICT (account, name) DO UPDATE
SET handled_until = CASE
        WHEN c.handled_until > now() + interval '1 hour' THEN excluded.handled_until
        ELSE greatest(c.handled_until, excluded.handled_until)
    END,
    changed_at = now()
