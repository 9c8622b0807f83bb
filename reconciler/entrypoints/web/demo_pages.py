"""The finance pages of the demonstration: on a free port of this machine, for one person who need not log in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from reconciler.clock import Clock
from reconciler.entrypoints.web.identity import Identification, Reader, Role
from reconciler.entrypoints.web.passwords import Passwords
from reconciler.entrypoints.web.server import serve
from reconciler.settings import Settings, WebSection
from reconciler.settings.review_section import ReviewSection

READER: Final = Reader("demo", Role.REVIEWER)


def serve_demo(settings: Settings, clock: Clock, said: Callable[[str], None]) -> None:
    """Serve the pages until a signal ends it. ``said`` gets the address."""
    # one person clicks through the whole close
    enough = dict.fromkeys(("eur", "gbp", "jpy", "mxn", "nzd", "usd"), 2**62)
    review = ReviewSection(people={"demo": (READER.actor,)}, four_eyes_above=enough)
    free_port = replace(settings, web=WebSection(listen="127.0.0.1:0"), review=review)
    serve(free_port, clock, Identification((), None, (), Passwords(clock)), said, READER)
