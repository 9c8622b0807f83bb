-- depends: 0004_housekeeping
-- Reads by the net that spent them, so that one net cannot take what another needs. Who spent the older ones is not
-- known: most were the tail's, which reads all day, and what it has spent is no longer kept for it.

ALTER TABLE reconciler.reads ADD COLUMN net text NOT NULL DEFAULT 'tail'
    CHECK (net IN ('tail', 'due', 'window', 'person'));
ALTER TABLE reconciler.reads ALTER COLUMN net DROP DEFAULT;
ALTER TABLE reconciler.reads DROP CONSTRAINT reads_pkey;
ALTER TABLE reconciler.reads ADD PRIMARY KEY (account, hour, net);
COMMENT ON COLUMN reconciler.reads.net IS 'The net whose pass read; person: a command such as explain, or a single intent.';
