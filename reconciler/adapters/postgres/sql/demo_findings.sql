SELECT subject, kind, state, severity, stake_amount, currency
  FROM reconciler.discrepancies
 ORDER BY kind, subject
