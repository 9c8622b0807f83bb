DELETE FROM reconciler.reads WHERE account = %(account)s AND hour < now() - make_interval(days => %(days)s)
