-- depends: 0017_finance_pages
-- How long rows are kept: the service may delete outbox rows that were delivered long ago, and no others.

CREATE FUNCTION reconciler.delete_delivered(account text, days integer, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- Returns how many rows were deleted. Never one that was delivered in the last 30 days, so that a stolen role cannot hide
-- what it did.
DECLARE
    removed integer;
BEGIN
    DELETE FROM reconciler.outbox AS o
    WHERE o.account = delete_delivered.account AND o.id = ANY (ARRAY(
        SELECT d.id FROM reconciler.outbox AS d
        WHERE d.account = delete_delivered.account
            AND d.delivered_at < now() - make_interval(days => greatest(delete_delivered.days, 30))
        ORDER BY d.id
        LIMIT delete_delivered.most
    ));
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END
$$;
REVOKE ALL ON FUNCTION reconciler.delete_delivered(text, integer, integer) FROM PUBLIC;

-- the page of a list, by the other orders in which it is asked for
CREATE INDEX discrepancies_by_age ON reconciler.discrepancies (opened_at, id);
CREATE INDEX discrepancies_by_last_seen ON reconciler.discrepancies (last_seen DESC NULLS LAST, id DESC);
CREATE INDEX discrepancies_by_payment_time ON reconciler.discrepancies (payment_created DESC NULLS LAST, id DESC);

-- the service's role, which may call what belongs to it
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee))
        FROM pg_proc AS f, aclexplode(f.proacl) AS a
        WHERE f.oid = 'reconciler.append_ledger(text, bigint, text[], text[])'::regprocedure
            AND a.grantee NOT IN (0, f.proowner)
            AND has_table_privilege(a.grantee, 'reconciler.leases', 'UPDATE')
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION reconciler.delete_delivered(text, integer, integer) TO %s', grantee);
    END LOOP;
END
$$;
