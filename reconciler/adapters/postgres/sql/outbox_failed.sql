-- nothing happens where somebody has claimed or delivered it meanwhile
UPDATE reconciler.outbox
SET last_error = %(error)s,
    claimed_until = NULL,
    next_attempt_at = clock_timestamp() + make_interval(secs => %(seconds)s),
    given_up_at = CASE WHEN %(given_up)s THEN clock_timestamp() END
WHERE account = %(account)s AND id = %(id)s AND attempts = %(attempt)s AND delivered_at IS NULL
