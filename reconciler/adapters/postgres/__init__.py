"""PostgreSQL: the merchant's table and our schema. The only importer of psycopg.

``Database`` connects, ``migrate`` makes our schema, ``inspect`` compares a ``TableMapping`` with the merchant's table,
and the stores do the rest: ``PostgresStore`` and ``PostgresLeaseStore`` for a sweep, the others for people.
"""

from __future__ import annotations
