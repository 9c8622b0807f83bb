"""Who may see the finance pages: a person with a password, or one whom a web.trusted_proxies names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.clock import ManualClock
from reconciler.entrypoints.web.users_file import read_users
from reconciler.errors import ConfigurationError
from tests.acceptance.web.conftest import PASSWORD, Site, hashed

NOW = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
PROXY = {"user_header": "X-Forwarded-User", "trusted_proxies": ("10.0.0.0/24",)}
PAGES = ("/", "/discrepancies", "/discrepancies/1", "/payment", "/statement", "/ledger", "/sweeps", "/kinds", "/nothing")  # fmt: skip


@pytest.mark.parametrize("page", PAGES[:-1])
def test_no_page_without_a_login(site: Site, page: str) -> None:
    """Every page asks for a name and a password, and shows nothing."""
    answer = site().get(page)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "pi_" not in answer.text


def test_a_password_lets_a_person_in(site: Site) -> None:
    """The right password of a line of the users file, and no other."""
    assert site().get("/", auth=("ana", PASSWORD)).status_code == 200
    assert site().get("/", auth=("ana", "wrong")).status_code == 401
    assert site().get("/", auth=("zoe", PASSWORD)).status_code == 401
    for header in ("Basic", "Basic !!", "Basic YW5h", "Bearer abc", "Basic " + "A" * 9000):
        assert site().get("/", headers={"Authorization": header}).status_code == 401


def test_tries_are_slowed(site: Site) -> None:
    """After some wrong passwords even the right one has to wait, and who was right before does not."""
    clock = ManualClock(NOW)
    client = site(clock=clock)
    known = site(clock=clock)
    for _ in range(5):
        assert client.get("/kinds", auth=("ana", "wrong")).status_code == 401
    answer = client.get("/kinds", auth=("ana", PASSWORD))
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) >= 1
    assert "seconds" in answer.text
    clock.advance(timedelta(seconds=2))
    assert client.get("/kinds", auth=("ana", PASSWORD)).status_code == 200

    assert known.get("/kinds", auth=("ana", PASSWORD)).status_code == 200
    for _ in range(7):
        known.get("/kinds", auth=("ana", "wrong"))
    assert known.get("/kinds", auth=("ana", PASSWORD)).status_code == 200
    assert known.get("/kinds", auth=("vera", PASSWORD)).status_code == 429


def test_the_wait_grows_and_ends(site: Site) -> None:
    """Each further wrong password doubles the wait, up to five minutes."""
    clock = ManualClock(NOW)
    client = site(clock=clock)
    waits = []
    for _ in range(18):
        answer = client.get("/kinds", auth=("ana", "x"))
        if answer.status_code == 429:
            waits.append(int(answer.headers["retry-after"]))
            clock.advance(timedelta(seconds=waits[-1]))
            assert client.get("/kinds", auth=("ana", "x")).status_code == 401
    assert waits[:4] == [1, 2, 4, 8]
    assert waits == sorted(waits)
    assert max(waits) <= 300


def test_a_trusted_proxy_names_a_person(site: Site) -> None:
    """Its header counts, and a person without a line may read."""
    client = site(peer="10.0.0.7", **PROXY)
    answer = client.get("/", headers={"X-Forwarded-User": "ana"})
    assert answer.status_code == 200
    assert "reviewer" in answer.text
    answer = client.get("/", headers={"X-Forwarded-User": "new@example.com"})
    assert answer.status_code == 200
    assert "viewer" in answer.text


@pytest.mark.parametrize("peer", ["10.0.1.7", "127.0.0.1", "203.0.113.9", "::1", "not an address"])
def test_a_forged_header_is_refused(site: Site, peer: str) -> None:
    """A request from elsewhere that has the header gets nothing, even with a right password."""
    client = site(peer=peer, **PROXY)
    for more in ({}, {"auth": ("ana", PASSWORD)}):
        answer = client.get("/", headers={"X-Forwarded-User": "ana"}, **more)
        assert answer.status_code == 403
        assert "web.trusted_proxies" in answer.text
        assert "pi_" not in answer.text


def test_two_headers_are_refused(site: Site) -> None:
    """One of them is the proxy's, and it is not known which."""
    headers = [("X-Forwarded-User", "vera"), ("X-Forwarded-User", "ana")]
    assert site(peer="10.0.0.7", **PROXY).get("/", headers=headers).status_code == 403


def test_a_header_that_is_not_configured_means_nothing(site: Site) -> None:
    """Without user_header no header names a person."""
    assert site().get("/", headers={"X-Forwarded-User": "ana"}).status_code == 401


def test_an_empty_or_strange_name_is_no_person(site: Site) -> None:
    """A proxy that names no person lets no person in."""
    client = site(peer="10.0.0.7", **PROXY)
    for name in ("", "a" * 300, "a\x80"):
        headers = [(b"x-forwarded-user", name.encode("latin-1"))]
        assert client.get("/", headers=headers).status_code == 401


def test_the_users_file(tmp_path: Path) -> None:
    """A line for each person; comments and empty lines do not count. Every fault is named, and no hash is shown."""
    path = tmp_path / "users"
    path.write_text(f"# people\n\nana:reviewer:{hashed(PASSWORD)}\nvera:viewer:\nbo:viewer\n")
    users = read_users(path)
    assert [(user.name, user.role.value, user.hash is None) for user in users] == [
        ("ana", "reviewer", False),
        ("vera", "viewer", True),
        ("bo", "viewer", True),
    ]
    path.write_text(
        f"ana:admin:{hashed(PASSWORD)}\nana\nvera:viewer:secret\nbo:viewer\nbo:viewer\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        read_users(path)
    assert len(caught.value.faults) == 4
    assert "secret" not in str(caught.value)
    assert "argon2" not in str(caught.value)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_users(tmp_path / "missing")
