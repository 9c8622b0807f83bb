-- what has failed more often than an endpoint that was down explains keeps its own pace
UPDATE reconciler.outbox
SET next_attempt_at = NULL
WHERE account = %(account)s AND delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at > clock_timestamp()
    AND attempts <= %(most_attempts)s
