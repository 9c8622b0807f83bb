SELECT payment_key, to_status FROM reconciler.outbox ORDER BY id
