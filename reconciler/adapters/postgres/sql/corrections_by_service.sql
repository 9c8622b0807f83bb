SELECT count(*)
FROM reconciler.ledger
WHERE account = %(account)s AND action = 'correction'
    AND at > clock_timestamp() - make_interval(secs => %(seconds)s)
    AND body ->> 'asked_by' = 'service'
