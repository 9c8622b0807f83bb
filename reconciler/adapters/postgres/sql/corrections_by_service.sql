-- now(), as the entries have it: clock_timestamp() may differ from row to row, so that no index serves it
SELECT count(*)
FROM reconciler.ledger
WHERE account = %(account)s AND action = 'correction'
    AND at > now() - make_interval(secs => %(seconds)s)
    AND body ->> 'asked_by' = 'service'
