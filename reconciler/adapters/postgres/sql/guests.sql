-- accounts that a guest reads beside their holder: its lock is not to be had. Ours ends with the statement
SELECT a.account
FROM unnest(%(accounts)s::text[]) AS a (account)
WHERE NOT pg_try_advisory_xact_lock_shared(hashtext('reconciler guest'), hashtext(a.account))
