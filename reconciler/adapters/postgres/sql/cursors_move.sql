-- a cursor never moves back
INSERT INTO reconciler.cursors AS c (account, name, handled_until)
SELECT %(account)s, n.name, n.reached
FROM unnest(%(names)s::text[], %(reached)s::timestamptz[]) AS n (name, reached)
ORDER BY n.name
ON CONFLICT (account, name) DO UPDATE
SET handled_until = greatest(c.handled_until, excluded.handled_until), changed_at = now()
