-- depends: 0020_refused_rechecks
-- A discrepancy is found by any of its names without a look at each; the service may delete answered requests for a sweep.

-- the names that a person may search for: a row's key, the PaymentIntent, the order, the discrepancy's number
CREATE INDEX discrepancies_by_name ON reconciler.discrepancies
    USING gin ((keys || ARRAY[payment_intent, order_reference, id::text]));

CREATE FUNCTION reconciler.delete_answered(account text, days integer, most integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
-- Returns how many requests were deleted. Never one that was answered in the last 30 days, so that a stolen role cannot hide
-- what it asked for; never one without an answer.
DECLARE
    removed integer;
BEGIN
    DELETE FROM reconciler.sweep_requests AS r
    WHERE r.account = delete_answered.account AND r.id = ANY (ARRAY(
        SELECT o.id FROM reconciler.sweep_requests AS o
        WHERE o.account = delete_answered.account AND o.status IN ('done', 'refused')
            AND o.changed_at < now() - make_interval(days => greatest(delete_answered.days, 30))
        ORDER BY o.id
        LIMIT delete_answered.most
    ));
    GET DIAGNOSTICS removed = ROW_COUNT;
    RETURN removed;
END
$$;
REVOKE ALL ON FUNCTION reconciler.delete_answered(text, integer, integer) FROM PUBLIC;

-- the service's role, which may call what belongs to it
DO $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT quote_ident(pg_get_userbyid(a.grantee))
        FROM pg_proc AS f, aclexplode(f.proacl) AS a
        WHERE f.oid = 'reconciler.delete_delivered(text, integer, integer)'::regprocedure AND a.grantee NOT IN (0, f.proowner)
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION reconciler.delete_answered(text, integer, integer) TO %s', grantee);
    END LOOP;
END
$$;
