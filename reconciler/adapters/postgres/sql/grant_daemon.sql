GRANT USAGE ON SCHEMA reconciler TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA reconciler TO {role};
GRANT INSERT ON reconciler.ledger TO {role};
GRANT INSERT ON reconciler.notes TO {role};
GRANT INSERT, UPDATE ON
    reconciler.ledger_heads, reconciler.leases, reconciler.cursors, reconciler.sweep_requests,
    reconciler.discrepancies, reconciler.services TO {role};
GRANT INSERT, UPDATE, DELETE ON
    reconciler.checks, reconciler.events, reconciler.outbox, reconciler.reads, reconciler.replicas,
    reconciler.sweeps TO {role};
GRANT EXECUTE ON FUNCTION reconciler.append_ledger(text, text[], text[]) TO {role};
