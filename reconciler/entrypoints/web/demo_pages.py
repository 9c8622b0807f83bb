"""The finance pages of the demonstration: on a free port of this machine, for two people, so that a month can be closed."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from reconciler.clock import Clock
from reconciler.entrypoints.web.files import WriteFile
from reconciler.entrypoints.web.identity import Identification, Reader, Role, User
from reconciler.entrypoints.web.passwords import Passwords, new_hash
from reconciler.entrypoints.web.server import serve
from reconciler.settings import Settings, WebSection
from reconciler.settings.review_section import ReviewSection

PEOPLE: Final = ("ana", "ben")
"""Both are reviewers: one prepares a month, and the other signs it, as the usual configuration asks for."""


def serve_demo(
    settings: Settings, clock: Clock, write_file: WriteFile, said: Callable[[str, str], None]
) -> None:
    """Serve the pages until a signal ends it. ``said`` gets the address, and the password of the two people."""
    password = secrets.token_hex(4)
    hashed = new_hash(password)
    users = tuple(User(name, Role.REVIEWER, hashed) for name in PEOPLE)
    people: dict[str, tuple[str, ...]] = {
        user.name: (Reader(user.name, user.role).actor,) for user in users
    }
    free_port = replace(
        settings, web=WebSection(listen="127.0.0.1:0"), review=ReviewSection(people=people)
    )
    who = Identification(users, None, (), Passwords(clock))
    serve(free_port, clock, who, write_file, lambda address: said(address, password))
