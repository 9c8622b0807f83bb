-- a holder that died has sent nothing for longer: it renewed its lease until then
SELECT last_second
FROM reconciler.leases
WHERE account = %(account)s AND ended_at > clock_timestamp() - interval '1 second'
