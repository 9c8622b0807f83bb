-- depends: 0008_words
-- The ledger keeps the SHA-256 of every note, so that a note cannot be changed or removed without a trace. A trigger
-- does it, because an auditor adds notes with a plain INSERT and may not append to the ledger.

CREATE FUNCTION reconciler.note_entry_body(note reconciler.notes) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    -- canonical JSON: its very letters are hashed
    SELECT concat(
        '{"asked_by":', to_json(note.author),
        ',"discrepancy":', note.discrepancy,
        ',"note":', note.id,
        ',"sha256":"', encode(sha256(convert_to(note.note, 'UTF8')), 'hex'), '"}'
    )
$$;

CREATE FUNCTION reconciler.append_note_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM reconciler.append_ledger(NEW.account, ARRAY['note'], ARRAY[reconciler.note_entry_body(NEW)]);
    RETURN NULL;
END
$$;

REVOKE ALL ON FUNCTION reconciler.note_entry_body(reconciler.notes) FROM PUBLIC;
REVOKE ALL ON FUNCTION reconciler.append_note_entry() FROM PUBLIC;

CREATE TRIGGER notes_in_ledger
    AFTER INSERT ON reconciler.notes
    FOR EACH ROW EXECUTE FUNCTION reconciler.append_note_entry();

-- also if session_replication_role would silence it
ALTER TABLE reconciler.notes ENABLE ALWAYS TRIGGER notes_in_ledger;

-- the notes that were added before
DO $$
BEGIN
    PERFORM reconciler.append_ledger(
        old.account, array_agg('note'::text), array_agg(reconciler.note_entry_body(old) ORDER BY old.id)
    )
    FROM reconciler.notes AS old
    GROUP BY old.account;
END
$$;
