-- Stripe keeps events for 30 days, and so do we
DELETE FROM reconciler.events WHERE account = %(account)s AND created < now() - make_interval(days => %(days)s)
