-- depends: 0024_sweep_request_lines
-- A statement finds the sweeps and the totals of its days by indexes: it read the whole ledger for each of them.

CREATE INDEX ledger_days ON reconciler.ledger (account, (body ->> 'day'), (body ->> 'sweep'))
    WHERE action = 'day_totals';
CREATE INDEX ledger_sweeps_of_days ON reconciler.ledger (account, (body -> 'days' ->> 'last'))
    WHERE action = 'sweep';
