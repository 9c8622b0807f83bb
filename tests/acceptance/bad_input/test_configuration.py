"""A wrong configuration or argument is named with a hint, before Stripe is asked or anything is written."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.installation import Installation
from tests.some_quick import some_quick

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown key": ({"payments": {"statsu": "status"}}, "payments.statsu"),
    "an unknown section": ({"paymets": {"table": "x"}}, "paymets"),
    "no table": ({"payments": {"table": None}}, "payments.table"),
    "no status": ({"payments": {"status": None}}, "payments.status"),
    "no read": ({"payments": {"read": None}}, "payments.read"),
    "a wrong outcome": ({"payments": {"read": {"pending": "waiting"}}}, "payments.read.pending"),
    "an outcome that is never written": (
        {"payments": {"write": {"refunded": "refunded"}}},
        "refunded",
    ),
    "both currencies": ({"payments": {"currency_constant": "eur"}}, "currency_constant"),
    "no currency": ({"payments": {"currency": None}}, "currency"),
    "a wrong currency": (
        {"payments": {"currency": None, "currency_constant": "euro"}},
        "currency_constant",
    ),
    "links without order": (
        {"payments": {"order": None, "link_metadata": "order_id"}},
        "link_metadata",
    ),
    "a wrong unit": ({"payments": {"amount_unit": "cents"}}, "amount_unit"),
    "grace without unit": ({"corrections": {"grace": 120}}, "corrections.grace"),
    "a negative limit": ({"corrections": {"per_hour": -1}}, "corrections.per_hour"),
    "a wrong mode": ({"corrections": {"mode": "updaet"}}, "corrections.mode"),
    "a share above one": ({"budget": {"share": 1.5}}, "budget.share"),
    "no share": ({"budget": {"share": 0}}, "budget.share"),
    "no horizon": ({"sweep": {"horizon": "0"}}, "sweep.horizon"),
    "a wrong URL": ({"stripe": {"api_base": "stripe"}}, "stripe.api_base"),
    "a key in the file": ({"stripe": {"key": "sk_live_abcdefgh12345678"}}, "STRIPE_API_KEY"),
    "accounts without a column": (
        {"accounts": [{"name": "one"}, {"name": "two"}]},
        "payments.account",
    ),
}


@some_quick("name", CHANGES, quick=8)
def test_a_wrong_configuration(installation: Installation, name: str) -> None:
    """Exit 78 with the key's full name and a hint; neither Stripe nor the database is asked."""
    change, named = CHANGES[name]
    installation.configure(**change)
    answer = installation.run("sweep", "--apply", DATABASE_URL="postgresql://127.0.0.1:9/shop")
    assert answer.code == 78
    assert named in answer.err
    assert answer.err.splitlines()[-1].startswith("hint: ")
    assert "127.0.0.1:9" not in answer.err
    assert "sk_live_abcd" not in answer.err
    assert answer.out == ""
    assert installation.stripe.requests.reads == 0


def test_every_fault_at_once(installation: Installation) -> None:
    """Three faults are shown in one run."""
    installation.configure(
        payments={"statsu": "x", "amount_unit": "cents"}, corrections={"grace": "soon"}
    )
    answer = installation.run("sweep")
    assert answer.code == 78
    for named in ("payments.statsu", "payments.amount_unit", "corrections.grace"):
        assert named in answer.err


@pytest.mark.parametrize(
    ("text", "says"), [("[payments\n", "TOML"), ("\x00", "TOML"), ("", "payments")]
)
def test_a_file_that_is_not_a_configuration(
    installation: Installation, text: str, says: str
) -> None:
    """A file that is not TOML, or is empty: exit 78."""
    installation.config.write_text(text, encoding="utf-8")
    answer = installation.run("sweep")
    assert answer.code == 78
    assert says in answer.err


MAPPINGS: dict[str, tuple[dict[str, Any], str]] = {
    "a missing table": ({"table": "public.paymets"}, "public.payments"),
    "a missing schema": ({"table": "shop.payments"}, "shop.payments"),
    "a missing column": ({"status": "state"}, "state"),
    "a status that is a time": ({"status": "created_at"}, "created_at"),
    "an amount that is a text": ({"amount": "status"}, "status"),
    "a time that is a text": ({"created": "status"}, "status"),
    "a timestamp with a unit": ({"created_unit": "ms"}, "created"),
    "a written status that means another outcome": (
        {"write": {"succeeded": "pending"}},
        "succeeded",
    ),
    "a written status that means no outcome": ({"write": {"succeeded": "shipped"}}, "shipped"),
    "quotes around a name": ({"key": '"id"'}, "payments.key"),
}


@some_quick("name", MAPPINGS, quick=4)
def test_a_mapping_that_does_not_fit(installation: Installation, name: str) -> None:
    """The mapping is compared with the real table before Stripe is asked: exit 78 with the name that is wrong."""
    change, named = MAPPINGS[name]
    installation.add_payment(1)
    installation.configure(payments=change)
    before = installation.dump()
    answer = installation.run("sweep", "--apply")
    assert answer.code == 78
    assert named in answer.err
    assert installation.dump() == before
    assert installation.stripe.requests.reads == 0
    assert installation.run("doctor").code == 78


ARGUMENTS: dict[str, tuple[list[str], str]] = {
    "a charge's id": (["sweep", "--payment-intent", "ch_3Nabc"], "charge"),
    "another text than an id": (["sweep", "--payment-intent", "hello"], "pi_"),
    "a client secret": (["sweep", "--payment-intent", "pi_1_secret_abcdef"], "client_secret"),
    "a key for an id": (["explain", "sk_live_abcdefgh12345678"], "key"),
    "an order that no row has": (["explain", "order 9"], "order 9"),
    "since after until": (["sweep", "--since", "2026-03-02", "--until", "2026-03-01"], "--since"),
    "durations in the wrong order": (["sweep", "--since", "1d", "--until", "2d"], "--since"),
    "a wrong time": (["sweep", "--since", "yesterday"], "--since"),
    "a wrong date": (["sweep", "--until", "2026-02-30"], "--until"),
    "single payments and a range": (
        ["sweep", "--since", "1d", "--payment-intent", "pi_1"],
        "--since",
    ),
    "an unknown kind": (["sweep", "--kind", "everything"], "--kind"),
    "an unknown account": (["sweep", "--account", "elsewhere"], "elsewhere"),
    "formats that contradict": (["sweep", "--json", "--format", "csv"], "--json"),
    "an unknown command": (["swep"], "swep"),
    "an unknown option": (["sweep", "--aply"], "--aply"),
    "a wrong sweep number": (["revert", "zero"], "SWEEP"),
    "a sweep that corrected nothing": (["revert", "99"], "99"),
    "an unknown discrepancy": (["resolve", "99", "--note", "x"], "99"),
    "an empty note": (["resolve", "1", "--note", " "], "--note"),
    "an export without a folder": (["export", "--format", "csv"], "--output"),
}


@some_quick("name", ARGUMENTS, quick=8)
def test_arguments_that_do_not_fit(installation: Installation, name: str) -> None:
    """Exit 64 with the argument's name and a hint, nothing on standard output, and nothing written."""
    arguments, named = ARGUMENTS[name]
    installation.add_payment(1)
    before = installation.dump()
    answer = installation.run(*arguments)
    assert answer.code == 64
    assert named in answer.err
    assert answer.err.splitlines()[-1].startswith("hint: ")
    assert answer.out == ""
    assert installation.dump() == before
    assert "abcdef" not in answer.err


@pytest.mark.long
def test_the_exit_codes_are_the_process_s(installation: Installation) -> None:
    """A process exits with 0, 64, 75 or 78, and a sweep prints its report on standard output each time."""
    intent = installation.add_payment(1)
    assert installation.run_process("sweep", "--payment-intent", "ch_1").code == 64
    dry = installation.run_process("sweep", "--json", "--payment-intent", intent)
    assert (dry.code, dry.json["would_correct"], dry.err) == (0, 1, "")
    down = installation.run_process("sweep", "--json", DATABASE_URL="postgresql://127.0.0.1:9/shop")
    assert (down.code, down.json["complete"]) == (75, False)
    wrong = installation.run_process("sweep", "--json", STRIPE_API_KEY="rk_test_unknown00000001")
    assert (wrong.code, wrong.json["complete"]) == (78, False)
