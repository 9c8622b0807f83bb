-- yoyo's book and our schema, each null where it is not there
SELECT to_regclass('reconciler._yoyo_migration')::oid, to_regnamespace('reconciler')::oid
