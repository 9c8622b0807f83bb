-- one guest an account at a time; it has left when its transaction ends, however that comes about
SELECT pg_advisory_xact_lock(hashtext('reconciler guest'), hashtext(%(account)s))
