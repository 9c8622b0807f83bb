SELECT pace, pace_at FROM reconciler.services WHERE account = %(account)s
