-- the same, looked up row by row: in order of a key and with a limit PostgreSQL may else compare every row with every check
coalesce(
    (
        SELECT c.due_at FROM reconciler.checks AS c
        WHERE c.account = %(account)s AND c.payment_intent = {payment_intent}::text
    ),
    '-infinity'
) <= %(due_by)s
