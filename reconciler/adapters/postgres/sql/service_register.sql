INSERT INTO reconciler.services AS s (account, holder, epoch, mode)
VALUES (%(account)s, %(holder)s, %(epoch)s, %(mode)s)
ON CONFLICT (account) DO UPDATE SET
    holder = excluded.holder, epoch = excluded.epoch, mode = excluded.mode, since = now(),
    error = NULL, error_at = NULL, needs_person = false, pace = NULL, pace_at = NULL
WHERE s.epoch <= excluded.epoch
