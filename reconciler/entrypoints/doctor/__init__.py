"""Every check of the surroundings that a sweep needs: configuration, database, table, key and clock."""

from __future__ import annotations
