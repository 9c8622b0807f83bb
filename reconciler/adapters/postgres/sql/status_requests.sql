SELECT count(*) FROM reconciler.sweep_requests WHERE account = %(account)s AND status IN ('asked', 'taken')
