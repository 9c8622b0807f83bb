-- depends: 0010_stored_ids
-- What a person decides about a discrepancy: that its correction was taken back, and who deals with it.

ALTER TABLE reconciler.discrepancies
    ADD COLUMN reverted jsonb CHECK (jsonb_typeof(reverted) = 'object'),
    ADD COLUMN owner text CHECK (owner <> '');
COMMENT ON COLUMN reconciler.discrepancies.reverted IS
    'The correction that a person took back: sweep, outcome, keys, by, at. It is not made again by itself.';
COMMENT ON COLUMN reconciler.discrepancies.owner IS 'Who deals with it; NULL: a person has not been named.';

-- for sweep --again
CREATE INDEX discrepancies_reverted ON reconciler.discrepancies (account, (reverted -> 'sweep')) WHERE reverted IS NOT NULL;
