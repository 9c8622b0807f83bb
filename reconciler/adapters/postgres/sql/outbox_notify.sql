SELECT pg_notify('reconciler_outbox', %(account)s)
