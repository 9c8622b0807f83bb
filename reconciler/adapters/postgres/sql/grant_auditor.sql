-- the name and the time of a note are the database's to give, so that nobody signs for another
GRANT USAGE ON SCHEMA reconciler TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA reconciler TO {role};
GRANT INSERT (account, discrepancy, note) ON reconciler.notes TO {role};
