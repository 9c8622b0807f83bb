"""``doctor`` shows every fault at once, each with its hint."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.cli.conftest import Town
from tests.some_quick import some_quick

RESTRICTED = "rk_test_just_enough"


def checks(town: Town, code: int, **environ: str) -> list[dict[str, str]]:
    """The doctor's checks, after its exit code was compared."""
    answer = town.run("doctor", "--json", **environ)
    assert answer.code == code, answer.out
    assert answer.json["ok"] is (code == 0)
    found = answer.json["checks"]
    assert isinstance(found, list)
    return found


def of_level(found: list[dict[str, str]], level: str) -> list[str]:
    return [
        f"{check['about']}: {check['what']} {check['hint'] or ''}"
        for check in found
        if check["level"] == level
    ]


PERMISSIONS = (
    "payment_intent_read",
    "charge_read",
    "event_read",
    "dispute_read",
    "checkout_session_read",
    "balance_read",
)


def healthy(town: Town) -> None:
    """Correct everything that the doctor checks."""
    town.stripe.add_key(RESTRICTED, permissions=PERMISSIONS)
    town.environ["STRIPE_API_KEY"] = RESTRICTED
    town.configure("[stripe]\nlivemode = false\n")
    town.environ["RECONCILER_PAYMENTS__LINK_METADATA"] = "order_id"
    for column in ("stripe_payment_intent_id", "created_at", "order_id"):
        town.shop.execute(f"CREATE INDEX ON public.payments ({column})")
    town.pay(1)


def test_nothing_is_wrong(town: Town) -> None:
    """The doctor shows every check, and exits with 0."""
    healthy(town)
    found = checks(town, 0)
    assert {check["level"] for check in found} == {"ok"}
    text = "\n".join(of_level(found, "ok"))
    for words in (
        "configuration",
        "PostgreSQL",
        "schema reconciler",
        "public.payments",
        "restricted key",
        "payment intents",
        "charges",
        "events",
        "clock",
        "test mode",
    ):
        assert words in text


def test_the_text(town: Town) -> None:
    """The text has a line for each check, a line for its hint, and a summary."""
    answer = town.run("doctor")
    assert answer.code == 0
    assert "warning" in answer.out
    assert " hint: " in answer.out
    assert "; faults: 0; " in answer.out.splitlines()[-1]


def test_everything_wrong_at_once(town: Town, empty_database: str) -> None:
    """A fault of the database, the table, the schema or the key does not hide the faults of the others."""
    town.stripe.add_key("rk_test_too_little", permissions=("payment_intent_read",))
    town.environ["STRIPE_API_KEY"] = "rk_test_too_little"
    found = checks(town, 78, DATABASE_URL=empty_database)
    text = "\n".join(of_level(found, "fault"))
    for words in (
        "pending migrations",
        "no table public.payments",
        "cannot read events",
        "cannot read charges",
        "event_read",
    ):
        assert words in text
    assert not of_level(found, "skipped")


@some_quick(
    ("permission", "code", "names", "needed_by"),
    [
        ("charge_read", 78, "cannot read refunds", "every sweep"),
        ("event_read", 78, "cannot read events", "service.tail"),
        ("dispute_read", 78, "cannot read disputes", "every sweep"),
        ("checkout_session_read", 0, "cannot read checkout sessions", "payments.payment_intent"),
        ("balance_read", 0, "cannot read balance transactions", "captured in part"),
    ],
    quick=(0, 3),
)
def test_a_missing_permission_names_what_needs_it(
    town: Town, permission: str, code: int, names: str, needed_by: str
) -> None:
    """What every sweep needs is a fault, what only some shops need a warning. The hint names the permission."""
    healthy(town)
    town.stripe.add_key("rk_test_less", permissions=[*set(PERMISSIONS) - {permission}])
    town.environ["STRIPE_API_KEY"] = "rk_test_less"
    found = checks(town, code)
    level = "fault" if code else "warning"
    (line,) = [line for line in of_level(found, level) if names in line]
    assert needed_by in line
    assert f"rak_{permission}" in line


def test_a_missing_key_does_not_hide_the_rest(town: Town) -> None:
    """Without a key the database and the table are still checked."""
    found = checks(town, 78, STRIPE_API_KEY="")
    assert "no Stripe key" in "".join(of_level(found, "fault"))
    assert "fit the mapping" in "".join(of_level(found, "ok"))
    assert "Stripe" in "".join(of_level(found, "skipped"))


def test_a_missing_table_does_not_hide_the_rest(town: Town) -> None:
    """Without a mapping the database and the key are still checked."""
    town.configure(text="")
    found = checks(town, 78)
    assert "payments.table is missing" in "".join(of_level(found, "fault"))
    assert "may read events" in "".join(of_level(found, "ok"))
    last = town.run("doctor", DATABASE_URL="postgresql://127.0.0.1:9/shop").out.splitlines()[-1]
    assert "; unreachable: 1; faults: 1; " in last


def test_a_configuration_that_cannot_be_used(town: Town) -> None:
    """If no part of the configuration can be used, its faults are shown and the other checks are skipped."""
    town.configure("[sweeps]\nx = 1\n[budget]\nshare = 7\n")
    found = checks(town, 78)
    assert len(of_level(found, "fault")) == 2
    assert len(of_level(found, "skipped")) == 2


def test_a_missing_column_and_a_missing_privilege(
    town: Town, role: Callable[[str], tuple[str, Callable[[str], str]]]
) -> None:
    """A missing column and a missing privilege are faults; the hint is the statement to run."""
    name, as_role = role("reader")
    found = checks(
        town, 78, DATABASE_URL=as_role(town.shop.url), RECONCILER_PAYMENTS__UPDATED="changed_at"
    )
    faults = "\n".join(of_level(found, "fault"))
    assert "no column changed_at" in faults
    assert "GRANT SELECT" in faults
    assert name in faults


def test_missing_update_privileges_are_a_fault_only_if_the_service_writes(
    town: Town, role: Callable[[str], tuple[str, Callable[[str], str]]]
) -> None:
    """In the mode "report" a missing UPDATE is a warning for --apply; in the mode "update" it is a fault."""
    healthy(town)
    name, as_role = role("reporter")
    town.run("migrate", "--daemon-role", name)
    town.shop.execute(f"GRANT SELECT ON public.payments TO {name}")
    url = as_role(town.shop.url)
    warned = checks(town, 0, DATABASE_URL=url)
    assert "For sweep --apply: " in "".join(of_level(warned, "warning"))
    faulty = checks(town, 78, DATABASE_URL=url, RECONCILER_CORRECTIONS__MODE="update")
    assert "GRANT UPDATE" in "".join(of_level(faulty, "fault"))


def test_the_warnings(town: Town) -> None:
    """A full key, livemode that is not set, and a missing index are warnings."""
    town.pay(1)
    warnings = "\n".join(of_level(checks(town, 0), "warning"))
    for words in ("a full secret key", "livemode is not set", "CREATE INDEX"):
        assert words in warnings


def test_an_api_base_without_tls(town: Town, short_retry_waits: None) -> None:
    """A key that is sent over the network without TLS is a warning, but not on this machine."""
    found = checks(town, 75, RECONCILER_STRIPE__API_BASE="http://stripe.invalid")
    assert "can read the key" in "".join(of_level(found, "warning"))
    assert "can read the key" not in "".join(of_level(checks(town, 0), "warning"))


def test_a_database_that_is_unavailable(town: Town) -> None:
    """A database that cannot be reached is not a fault of the configuration: exit 75."""
    found = checks(town, 75, DATABASE_URL="postgresql://127.0.0.1:9/shop")
    assert "127.0.0.1:9" in "".join(of_level(found, "unreachable"))
    assert "may read events" in "".join(of_level(found, "ok"))


def test_a_key_that_stripe_does_not_know(town: Town) -> None:
    """A key that Stripe does not know is a fault."""
    town.environ["STRIPE_API_KEY"] = "rk_test_unheard_of_key"
    assert "Stripe, account default" in "".join(of_level(checks(town, 78), "fault"))


def test_a_key_of_the_other_mode(town: Town) -> None:
    """Objects of another mode than livemode says are a fault, also if the key's prefix does not say its mode."""
    town.stripe.add_key("opaque_key_of_a_proxy")
    town.environ["STRIPE_API_KEY"] = "opaque_key_of_a_proxy"
    town.configure("[stripe]\nlivemode = true\n")
    town.pay(1)
    found = checks(town, 78)
    assert "test mode" in "".join(of_level(found, "fault"))
