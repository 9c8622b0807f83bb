-- the lock keeps a takeover waiting until this transaction has ended
SELECT epoch
FROM reconciler.leases
WHERE account = %(account)s AND epoch = %(epoch)s AND expires_at > clock_timestamp()
FOR SHARE
