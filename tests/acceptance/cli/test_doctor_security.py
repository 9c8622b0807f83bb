"""The doctor says who could read or change what Reconciler depends on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from reconciler.adapters.postgres.schema import connection_security
from reconciler.adapters.postgres.schema.connection_security import Transport
from reconciler.entrypoints.doctor import security
from reconciler.sandbox import TEST_KEY
from tests.acceptance.cli.conftest import Town
from tests.some_quick import some_quick

MakeRole = Callable[[str], tuple[str, Callable[[str], str]]]


def found(town: Town, about: str, **environ: str) -> list[tuple[str, str, str]]:
    """Level, text and hint of each check about this."""
    answer = town.run("doctor", "--json", **environ)
    return [
        (check["level"], check["what"], check["hint"] or "")
        for check in answer.json["checks"]
        if check["about"] == about
    ]


@pytest.fixture
def keyed(town: Town) -> Path:
    """The key file of a town's only account."""
    path = town.folder / "key"
    path.write_text(TEST_KEY)
    path.chmod(0o600)
    town.config.chmod(0o644)
    town.configure(f'[[accounts]]\nname = "default"\nkey_file = "{path}"\n')
    return path


@some_quick(
    ("mode", "words"),
    [
        (0o600, None),
        (0o640, None),
        (0o400, None),
        (0o660, "the file's group may change"),
        (0o620, "the file's group may change"),
        (0o602, "every user of this machine may change"),
        (0o666, "every user of this machine may change"),
        (0o644, "every user of this machine may read"),
    ],
    quick=(1, 3, 7),
)
def test_permissions_of_a_key_file(town: Town, keyed: Path, mode: int, words: str | None) -> None:
    """A key file that others may change or read is a warning with the command that corrects it."""
    keyed.chmod(mode)
    checks = found(town, "file permissions")
    if words is None:
        assert checks == []
        return
    [(level, what, hint)] = checks
    assert (level, words in what, "account default" in what) == ("warning", True, True)
    assert hint == f"Run: chmod 640 {keyed}"


@pytest.mark.parametrize(
    ("url", "is_secret"),
    [
        ("postgresql://shop:word@localhost/shop", True),
        ("host=localhost dbname=shop password=word", True),
        ("postgresql:///shop", False),
    ],
)
def test_a_configuration_with_a_password(
    town: Town, keyed: Path, url: str, is_secret: bool
) -> None:
    """A configuration that holds the database's password is a secret as a key file is; another one may be read."""
    town.configure(
        f'[database]\nurl = "{url}"\n[[accounts]]\nname = "default"\nkey_file = "{keyed}"\n'
    )
    town.config.chmod(0o644)
    checks = found(town, "file permissions")
    words = (
        "every user of this machine may read the configuration file with the database's password"
    )
    assert [words in what for _, what, _ in checks] == ([True] if is_secret else [])


def test_permissions_of_the_configuration(town: Town, keyed: Path) -> None:
    """A configuration that others may change could send the key to another server."""
    town.config.chmod(0o664)
    [(level, what, hint)] = found(town, "file permissions")
    assert (level, "the file's group may change the configuration file" in what) == (
        "warning",
        True,
    )
    assert hint == f"Run: chmod 644 {town.config}"


def test_permissions_of_the_signing_secret(town: Town, keyed: Path) -> None:
    """The file with the secret that signs deliveries is checked too, also by a path beside the configuration."""
    secret = town.folder / "secret"
    secret.write_text("whsec_" + "a" * 40)
    secret.chmod(0o606)
    town.configure(
        '[delivery]\nurl = "https://shop.example/r"\nsecret_file = "secret"\n'
        f'[[accounts]]\nname = "default"\nkey_file = "{keyed}"\n'
    )
    [(level, what, _)] = found(town, "file permissions")
    assert (level, "signing secret" in what) == ("warning", True)


def test_only_owners_may_create_on_the_path(town: Town) -> None:
    """The check is shown as right, too."""
    assert found(town, "search_path") == [
        ("ok", "in each schema of the search_path, only the owner may create objects", "")
    ]


def test_others_may_create_on_the_path(town: Town, role: MakeRole) -> None:
    """A schema on the path in which others may create objects is a fault that names it, the roles and the REVOKE."""
    name, _ = role("intruder")
    town.shop.execute(f"GRANT CREATE ON SCHEMA public TO PUBLIC, {name}")
    [(level, what, hint)] = found(town, "search_path")
    assert level == "fault"
    assert f"PUBLIC, {name} may create objects in schema public" in what
    assert town.run("doctor").code == 78
    statement = hint.partition("schema: ")[2].partition(";")[0]
    town.shop.execute(statement)
    assert [level for level, _, _ in found(town, "search_path")] == ["ok"]


def test_what_is_not_on_the_path_does_not_matter(town: Town, role: MakeRole) -> None:
    """A schema outside the path, and the privilege of the role itself, are no fault."""
    name, as_role = role("daemon")
    town.shop.execute("CREATE SCHEMA elsewhere; GRANT CREATE ON SCHEMA elsewhere TO PUBLIC")
    town.shop.execute(f"GRANT CREATE ON SCHEMA public TO {name}")
    town.shop.execute(f"GRANT SELECT ON payments TO {name}")
    url = as_role(town.shop.url)
    assert [level for level, _, _ in found(town, "search_path", DATABASE_URL=url)] == ["ok"]

    # for every other role that privilege is one
    assert [level for level, _, _ in found(town, "search_path")] == ["fault"]

    town.shop.execute(f"ALTER ROLE {name} SET search_path = elsewhere, public")
    town.shop.execute(f"GRANT USAGE ON SCHEMA elsewhere TO {name}")
    [(level, what, _)] = found(town, "search_path", DATABASE_URL=url)
    assert (level, "schema elsewhere" in what) == ("fault", True)


def test_the_rights_of_the_services_role(town: Town, role: MakeRole) -> None:
    """A right too few is a fault with its GRANT, one too many a warning with its REVOKE; both can be run as they stand."""
    name, as_role = role("daemon")
    assert town.run("migrate", "--daemon-role", name).code == 0
    url = as_role(town.shop.url)
    assert [level for level, _, _ in found(town, "grants", DATABASE_URL=url)] == ["ok"]
    town.shop.execute(f"REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA reconciler FROM {name}")
    town.shop.execute(f"GRANT INSERT ON reconciler.ledger TO {name}")
    missing, excess = found(town, "grants", DATABASE_URL=url)
    assert (missing[0], excess[0]) == ("fault", "warning")
    for _, _, hint in (missing, excess):
        town.shop.execute(hint.partition("schema: ")[2])
    assert [level for level, _, _ in found(town, "grants", DATABASE_URL=url)] == ["ok"]
    # the owner may do everything
    assert found(town, "grants") == []


@some_quick(
    ("transport", "words"),
    [
        (Transport("/run/postgresql", "prefer", encrypted=False, is_local=True), None),
        (Transport("db.example", "verify-full", encrypted=True, is_local=False), None),
        (Transport("db.example", "require", encrypted=True, is_local=False), "is encrypted"),
        (Transport("db.example", "prefer", encrypted=False, is_local=False), "is not encrypted"),
    ],
    quick=(0, 3),
)
def test_the_way_to_a_remote_database(
    town: Town, monkeypatch: pytest.MonkeyPatch, transport: Transport, words: str | None
) -> None:
    """A remote database without sslmode=verify-full is a warning, because another machine could stand in for it."""
    monkeypatch.setattr(security, "transport", lambda _database: transport)
    warnings = [check for check in found(town, "database") if check[0] == "warning"]
    if words is None:
        assert warnings == []
        return
    [(_, what, hint)] = warnings
    assert words in what
    assert "db.example" in what
    assert "sslmode=verify-full" in hint


def test_a_socket_is_local(town: Town) -> None:
    """The tests' own server is reached by a socket, and needs no TLS."""
    with psycopg.connect(town.shop.url) as connection:
        assert connection.info.host.startswith("/")
    assert [level for level, _, _ in found(town, "database")] == ["ok"]


@pytest.mark.parametrize(
    ("host", "address", "is_local"),
    [
        ("/run/postgresql", "", True),
        ("@abstract", "", True),
        ("", "", True),
        ("localhost", "", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("localhost", "::1", True),
        ("db.example", "127.0.0.1", True),
        ("localhost", "10.0.0.5", False),
        ("db.example", "10.0.0.5", False),
        ("db.example", "", False),
        ("localhost.example", "", False),
    ],
)
def test_which_server_is_on_this_machine(host: str, address: str, is_local: bool) -> None:
    """A socket's folder and a loopback address are local; the address counts more than the name."""
    assert connection_security._is_local(host, address) is is_local
