INSERT INTO reconciler.reads AS r (account, hour, net, count)
SELECT %(account)s, date_trunc('hour', now(), 'UTC'), b.net, b.count
FROM unnest(%(nets)s::text[], %(counts)s::bigint[]) AS b (net, count)
ORDER BY b.net
ON CONFLICT (account, hour, net) DO UPDATE SET count = r.count + excluded.count
