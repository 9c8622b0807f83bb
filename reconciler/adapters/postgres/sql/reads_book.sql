INSERT INTO reconciler.reads AS r (account, hour, count)
VALUES (%(account)s, date_trunc('hour', now(), 'UTC'), %(count)s)
ON CONFLICT (account, hour) DO UPDATE SET count = r.count + excluded.count
