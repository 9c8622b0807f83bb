-- depends: 0013_pauses
-- A discrepancy also closes because its row is not in the mapping any more.

ALTER TABLE reconciler.discrepancies
    DROP CONSTRAINT discrepancies_closing_check,
    ADD CONSTRAINT discrepancies_closing_check
        CHECK (closing IN ('agreement', 'superseded', 'condition_gone', 'out_of_scope'));
