-- it was received, whoever holds the account by now: that is a fact, and saying so keeps it from being sent again
UPDATE reconciler.outbox
SET delivered_at = greatest(clock_timestamp(), created_at), claimed_until = NULL, next_attempt_at = NULL, given_up_at = NULL
WHERE account = %(account)s AND id = %(id)s AND delivered_at IS NULL
