"""The anchors of the ledger's head, as the configuration asks for them."""

from __future__ import annotations

import json
import threading

from reconciler.adapters.head_anchors import append_line, run_command
from reconciler.clock import Clock
from reconciler.domain.audit.hash_chain import rfc3339
from reconciler.domain.audit.ledger_entry import LedgerHead
from reconciler.errors import AnchorError
from reconciler.settings.environment import current_environment
from reconciler.settings.sections import LedgerSection


def anchor_head(
    section: LedgerSection,
    account: str,
    head: LedgerHead,
    clock: Clock,
    stopping: threading.Event,
) -> AnchorError | None:
    """Write an account's head to the configured file, and give it to the configured program.

    The one is tried also if the other fails. Returns the first error.
    """
    fields = {"account": account, "seq": head.seq, "hash": head.hash, "at": rfc3339(head.at)}
    line = json.dumps(fields, separators=(", ", ": ")).encode() + b"\n"
    first: AnchorError | None = None
    if section.anchor_file is not None:
        try:
            append_line(section.anchor_file, line, clock, stopping)
        except AnchorError as error:
            first = error
    if section.anchor_command:
        try:
            run_command(section.anchor_command, line, current_environment(), stopping)
        except AnchorError as error:
            first = first or error
    return first
