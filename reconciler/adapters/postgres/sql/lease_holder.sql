SELECT holder
FROM reconciler.leases
WHERE account = %(account)s AND expires_at > clock_timestamp()
