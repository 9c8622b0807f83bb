SELECT severity, kind, coalesce(reason = 'hourly_limit', false) AS held_back, currency, count(*), sum(stake_amount)::bigint
FROM reconciler.discrepancies
WHERE account = %(account)s AND state = 'open'
GROUP BY 1, 2, 3, 4
ORDER BY 1, 2, 4
