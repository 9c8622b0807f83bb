-- no check of this row's intent lies in the future; filled into the statements that look for open rows
NOT EXISTS (
    SELECT FROM reconciler.checks AS c
    WHERE c.account = %(account)s AND c.payment_intent = {payment_intent}::text AND c.due_at > %(due_by)s
)
