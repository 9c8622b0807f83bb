"""``init``: finds the merchant's table, and writes a configuration for it."""

from __future__ import annotations
