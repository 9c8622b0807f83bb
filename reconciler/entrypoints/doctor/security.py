"""Checks who could read or change what Reconciler depends on: files, the way to the database, the search_path."""

from __future__ import annotations

import stat
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.adapters.postgres.database import Database
from reconciler.adapters.postgres.schema.connection_security import (
    VERIFIED,
    open_schemas,
    transport,
)
from reconciler.adapters.postgres.schema.grants import compare_daemons_rights
from reconciler.entrypoints.doctor.doctor_check import CheckLevel, DoctorCheck, failed
from reconciler.errors import ReconcilerError
from reconciler.settings import Settings, key_path

FILES = "file permissions"
PATH = "search_path"
RIGHTS = "grants"


def file_checks(settings: Settings, environ: Mapping[str, str]) -> Iterator[DoctorCheck]:
    """Whether others can change the configuration, or read or change a key."""
    secrets = {
        f"the key file of account {account.name}": account.key_file
        for account in settings.accounts
        if account.key_file is not None
    }
    named = settings.delivery.secret_file
    if named is not None:
        secrets["the signing secret's file"] = key_path(named, environ, settings.source)
    for name, path in secrets.items():
        if path is not None:
            yield from _file_checks(name, path, is_secret=True)
    if settings.source is not None:
        holds_password = _holds_password(settings.source)
        name = "the configuration file" + (
            " with the database's password" if holds_password else ""
        )
        yield from _file_checks(name, settings.source, is_secret=holds_password)


def _holds_password(configuration: Path) -> bool:
    """Whether database.url in the file has a password. DATABASE_URL is not in the file, and does not count."""
    try:
        url = tomllib.loads(configuration.read_text()).get("database", {}).get("url", "")
        return "password=" in url or urlsplit(url).password is not None
    except (OSError, ValueError):
        # a file or a URL that cannot be read is a fault of the configuration, and reported there
        return False


def _file_checks(name: str, path: Path, *, is_secret: bool) -> Iterator[DoctorCheck]:
    try:
        mode = path.stat().st_mode
    except OSError:
        # a file that cannot be read is a fault of the configuration, and reported there
        return
    if mode & stat.S_IWOTH:
        what = f"every user of this machine may change {name}, {path}"
    elif mode & stat.S_IWGRP:
        what = f"the file's group may change {name}, {path}"
    elif is_secret and mode & stat.S_IROTH:
        what = f"every user of this machine may read {name}, {path}"
    else:
        return
    # under systemd a group often has to read it, and never has to write it
    bits = "640" if is_secret else "644"
    yield DoctorCheck(FILES, CheckLevel.WARNING, what, f"Run: chmod {bits} {path}")


def connection_checks(settings: Settings) -> Iterator[DoctorCheck]:
    """Whether the way to the database is protected, and whether others may create functions on the search_path."""
    if settings.database.url is None:
        return
    try:
        with Database(settings.database_url.get_secret_value(), size=1) as database:
            yield from _transport_checks(database)
            yield from _path_checks(database)
            yield from _rights_checks(database)
    except ReconcilerError as error:
        yield failed(PATH, error)


def _transport_checks(database: Database) -> Iterator[DoctorCheck]:
    found = transport(database)
    if found.is_verified:
        return
    how = "is encrypted" if found.encrypted else "is not encrypted"
    yield DoctorCheck(
        "database",
        CheckLevel.WARNING,
        f"the connection to {found.server} {how}, and the server is not verified (sslmode={found.sslmode}): "
        "another machine could answer in its place",
        f"Add sslmode={VERIFIED} and sslrootcert=/path/to/ca.crt to the database's URL.",
    )


def _path_checks(database: Database) -> Iterator[DoctorCheck]:
    schemas = open_schemas(database)
    for schema in schemas:
        yield DoctorCheck(
            PATH,
            CheckLevel.FAULT,
            f"{', '.join(schema.roles)} may create objects in schema {schema.name}: this role could "
            "call a function that they create there instead of the right one",
            f"Run as the owner of the schema: {schema.revoke} Or remove the schema from this role's search_path.",
        )
    if not schemas:
        what = "in each schema of the search_path, only the owner may create objects"
        yield DoctorCheck(PATH, CheckLevel.OK, what)


def _rights_checks(database: Database) -> Iterator[DoctorCheck]:
    found = compare_daemons_rights(database)
    if found is None:
        return
    if found.missing:
        run = " ".join(right.statement("GRANT", found.role) for right in found.missing)
        what = f"the role {found.role} has too few rights in the schema reconciler"
        yield DoctorCheck(RIGHTS, CheckLevel.FAULT, what, f"Run as the owner of the schema: {run}")
    if found.excess:
        run = " ".join(right.statement("REVOKE", found.role) for right in found.excess)
        what = f"the role {found.role} may do more in the schema reconciler than the service needs"
        yield DoctorCheck(
            RIGHTS, CheckLevel.WARNING, what, f"Run as the owner of the schema: {run}"
        )
    if not (found.missing or found.excess):
        what = f"the role {found.role} may do what the service needs, and nothing else"
        yield DoctorCheck(RIGHTS, CheckLevel.OK, what)
