"""The daemon: passes by the clock, on the accounts whose leases it holds, watched by systemd and by people."""

from __future__ import annotations
