UPDATE reconciler.outbox
SET next_attempt_at = NULL
WHERE account = %(account)s AND delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at > clock_timestamp()
