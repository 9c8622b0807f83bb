-- whoever is alive renews its row several times a minute
DELETE FROM reconciler.replicas WHERE account = %(account)s AND expires_at < now() - interval '1 hour'
