-- the epoch never comes back: whoever held an earlier one can write no more
INSERT INTO reconciler.leases AS l (account, epoch, holder, expires_at)
VALUES (%(account)s, 1, %(holder)s, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (account) DO UPDATE SET
    epoch = l.epoch + 1,
    holder = excluded.holder,
    expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE l.holder IS NULL OR l.expires_at <= clock_timestamp()
RETURNING epoch
