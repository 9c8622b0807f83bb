"""The checks of ``doctor`` and of the service's start: configuration, database, table, key and clock."""

from __future__ import annotations
