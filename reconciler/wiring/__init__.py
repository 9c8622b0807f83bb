"""The only place where objects are built from settings. Here the adapters meet the engine's ports.

Each module builds one thing, so that a command imports only what it uses: ``account`` an open account, ``limits`` what
it may spend, ``delivery`` the delivery of an outbox, ``audit`` what auditors read.
"""

from __future__ import annotations
