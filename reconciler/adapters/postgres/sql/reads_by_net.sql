SELECT net, sum(count), coalesce(sum(count) FILTER (WHERE hour > now() - interval '1 day'), 0)
FROM reconciler.reads
WHERE account = %(account)s AND hour > now() - make_interval(days => %(days)s)
GROUP BY net
