"""PostgreSQL: the merchant's table and the schema reconciler. The only importer of psycopg.

``Database`` connects, ``migrate`` creates the schema, ``inspect`` compares a ``TableMapping`` with the merchant's table.
``PostgresStore`` and ``PostgresLeaseStore`` serve a sweep; the other stores serve people and the service.
"""

from __future__ import annotations
