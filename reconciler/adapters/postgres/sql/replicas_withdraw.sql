DELETE FROM reconciler.replicas WHERE account = ANY(%(accounts)s::text[]) AND replica = %(replica)s
