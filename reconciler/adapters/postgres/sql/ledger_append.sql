SELECT ord, seq
FROM reconciler.append_ledger(%(account)s, %(actions)s::text[], %(bodies)s::text[])
