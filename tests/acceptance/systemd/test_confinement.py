"""Under a real systemd: what the unit forbids the program, and how it keeps the program's secrets from others."""

from __future__ import annotations

import json

import pytest

from reconciler.sandbox import TEST_KEY
from tests.acceptance.configured_shop import REPOSITORY
from tests.acceptance.systemd.machine import CHECKOUT, UNIT, UNITS, VENV, Machine

PROBE = "probe.service"
MEMORY_MAX = 256 << 20


@pytest.fixture(params=["reconciler.service", "reconciler-once.service"])
def probe(booted: Machine, request: pytest.FixtureRequest) -> Machine:
    """The machine with a unit like the shipped one, which runs another command."""
    unit = (REPOSITORY / "systemd" / request.param).read_text(encoding="utf-8")
    booted.write(f"{UNITS}/{PROBE}", unit)
    return booted


def attempt(machine: Machine, *arguments: str) -> str:
    """Run attempts.py in the probe's unit; returns its output."""
    command = " ".join((f"{VENV}/bin/python", f"{CHECKOUT}/attempts.py", *arguments))
    machine.drop_in(
        PROBE, "probe", f"[Service]\nType=oneshot\nRestart=no\nExecStart=\nExecStart={command}\n"
    )
    machine.mark()
    machine.fails("systemctl", "start", PROBE)
    machine.run("journalctl", "--sync")
    return machine.journal(PROBE, "_TRANSPORT=stdout")


def test_an_attacker_in_the_process_can_do_nothing(probe: Machine) -> None:
    """No shell, no other program, no root, no key folder, no change of anything: the kernel refuses each."""
    assert json.loads(attempt(probe)) == {
        "run a shell": "EACCES",
        "run a copy of it": "nowhere",
        "run a copy in memory": "EPERM",
        "become root": "EPERM",
        "read the folder of the keys": "EACCES",
        "change the configuration": "EACCES",
        "change the program": "EACCES",
        "read a home directory": "EACCES",
        "read another process": "ENOENT",
        "listen to the network": "EAFNOSUPPORT",
        "change the network": "EAFNOSUPPORT",
        "write code into memory": "EPERM",
        "open a new namespace": "EPERM",
        "leave a core": "not allowed to raise maximum limit",
    }


def test_memory_is_limited(probe: Machine) -> None:
    """MemoryMax is in force: a process that needs more is killed, and other programs keep their memory."""
    if not probe.fails("grep", "-qw", "memory", "/sys/fs/cgroup/cgroup.controllers"):
        limit = f"/sys/fs/cgroup/system.slice/{PROBE}/memory.max"
    elif not probe.fails("test", "-d", "/sys/fs/cgroup/memory/system.slice"):
        limit = f"/sys/fs/cgroup/memory/system.slice/{PROBE}/memory.limit_in_bytes"
    else:
        pytest.skip(
            "the cgroup of the tests on this machine may not limit memory: its parent does not allow it"
        )
    attempt(probe, "memory")
    assert probe.show("Result", PROBE) in ("oom-kill", "signal")
    assert probe.show("ExecMainStatus", PROBE) == "9"
    assert int(probe.show("MemoryMax", PROBE)) == MEMORY_MAX
    assert probe.fails("test", "-e", limit) or probe.run("cat", limit) == str(MEMORY_MAX)


def test_the_process_has_no_privileges(machine: Machine) -> None:
    """It has a user of its own, no capability and no way to get one, a filter on every system call, and no core dump."""
    facts = machine.status_of_main()
    assert "0" not in facts["Uid"].split()
    assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {
        "0000000000000000"
    }
    assert (facts["NoNewPrivs"], facts["Seccomp"]) == ("1", "2")
    limits = machine.run("cat", f"/proc/{machine.main_pid()}/limits")
    assert ["Max", "core", "file", "size", "0", "0", "bytes"] in [
        line.split() for line in limits.splitlines()
    ]


def test_keys_come_only_as_credentials(machine: Machine) -> None:
    """The process has its own copies, which only it can read. No secret is on its command line, in its environment, in the
    configuration or in the journal; the originals belong to root."""
    main = machine.main_pid()
    folder = f"/run/credentials/{UNIT}"
    environ = machine.run("cat", f"/proc/{main}/environ").split("\0")
    assert f"CREDENTIALS_DIRECTORY={folder}" in environ
    assert not [name for name in environ if name.startswith(("STRIPE_API_KEY=", "DATABASE_URL="))]

    for name, secret in (("stripe_key", TEST_KEY), ("database_url", machine.url_inside)):
        copy = f"/proc/{main}/root{folder}/{name}"
        assert machine.run("cat", copy) == secret
        assert machine.run("stat", "--format=%a", copy) in ("400", "440")

        original = f"/etc/reconciler/credentials/{name}"
        assert machine.run("stat", "--format=%U %a", original) == "root 600"

        for place in (
            f"/proc/{main}/environ",
            f"/proc/{main}/cmdline",
            "/etc/reconciler/reconciler.toml",
        ):
            assert machine.fails("grep", "--quiet", "--fixed-strings", secret, place)
        assert secret not in machine.journal()
    machine.add_payments(1)
    machine.wait_until("the keys work", lambda: machine.pending() == 0)


def test_the_credential_is_the_key_that_is_used(booted: Machine) -> None:
    """With another key in the credential file the next process cannot work, and says why."""
    original = "/etc/reconciler/credentials/stripe_key"
    booted.configure()
    booted.mark()
    booted.write(original, "pk_test_published")
    try:
        assert booted.fails("systemctl", "start", UNIT)
        assert booted.show("ExecMainStatus") == "78"
        assert "publishable" in booted.journal()
    finally:
        booted.write(original, TEST_KEY)
        booted.run("chmod", "0600", original)
