"""Every fault of a configuration is told at once, by its key, with its mend and without a secret."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import ConfigurationError, ExitCode
from reconciler.settings import load, parse_duration
from tests.unit.settings.configuration import ENVIRON, RIGHT, faults, loaded, written

# what is replaced in the right configuration, by what, and how the one fault begins and ends
SPOILT = [
    ('table = "public.payments"', "", "payments.table is missing", '"schema.table".'),
    ('table = "public.payments"', 'table = "a.b.c"', 'payments.table = "a.b.c"', "not belong here."),
    ('table = "public.payments"', "table = '\"a\".b'", "payments.table = '\"a\".b'", "without quotes."),
    ('table = "public.payments"', 'table = "public."', 'payments.table = "public."', "with a space."),
    ('key = "id"', "key = 3", "payments.key = 3", "a text in quotes."),
    ('key = "id"', 'key = ""', 'payments.key = ""', "with a space."),
    ('key = "id"', f'key = "{"i" * 64}"', "payments.key", "longer than 63 bytes."),
    ('key = "id"', 'key = "id"\nkeey = "id"', "payments.keey", 'did you mean "key"?'),
    ('status = "status"', 'statsu = "status"', "payments.status is missing", "the payment's status."),
    ('amount = "amount"', 'amount = "amount"\namount_unit = "cents"', 'payments.amount_unit = "cents"', '"major".'),
    ('created = "created_at"', 'created = "c"\ncreated_unit = "us"', 'payments.created_unit = "us"', '"ms".'),
    ('currency = "currency"', "", "payments.currency is missing", 'such as "eur".'),
    ('currency = "currency"', 'currency_constant = "€"', 'payments.currency_constant = "€"', 'such as "eur".'),
    (
        'currency = "currency"',
        'currency = "c"\ncurrency_constant = "eur"',
        "payments.currency and payments.currency_constant are both set",
        "take one of them out.",
    ),
    (
        'key = "id"',
        'key = "id"\nlink_metadata = "order_id"',
        "payments.link_metadata needs payments.order",
        "compared with.",
    ),
    ('pending = "incomplete"', 'pending = "incomplet"', 'payments.read.pending = "incomplet"', 'mean "incomplete"?'),
    ('pending = "incomplete"', 'pending = "unknown"', 'payments.read.pending = "unknown"', "disputed."),
    ('pending = "incomplete"', "pending = 1", "payments.read.pending = 1", "disputed."),
    ('succeeded = "paid"', 'refunded = "paid"', "payments.write.refunded", "take the line out."),
    ('succeeded = "paid"', 'suceeded = "paid"', "payments.write.suceeded", 'did you mean "succeeded"?'),
    ('succeeded = "paid"', 'succeeded = ""', 'payments.write.succeeded = ""', "it may not be empty."),
    ('succeeded = "paid"', 'succeeded = "done"', 'payments.write.succeeded = "done"', "under [payments.read]."),
    ('succeeded = "paid"', 'failed = "paid"', 'payments.write.failed = "paid"', "mend payments.read.paid."),
]  # fmt: skip
ADDED = [
    ('[stripe]\nlivemode = "perhaps"', 'stripe.livemode = "perhaps"', "true or false."),
    ("[stripe]\nlivemod = true", "stripe.livemod", 'did you mean "livemode"?'),
    ('[stripe]\napi_base = "ftp://x"', "stripe.api_base", '"https://host:port".'),
    ('[stripe]\napi_base = "https://x/"', "stripe.api_base", '"https://host:port".'),
    ('[stripe]\napi_base = "https://x?a=b"', "stripe.api_base", '"https://host:port".'),
    ('[stripe]\napi_base = "https://x:port"', "stripe.api_base", '"https://host:port".'),
    ('[corrections]\nmode = "replay"', 'corrections.mode = "replay"', 'use "report" or "update".'),
    ('[corrections]\nmode = "repot"', 'corrections.mode = "repot"', 'did you mean "report"?'),
    ('[corrections]\ngrace = "2 minutes"', 'corrections.grace = "2 minutes"', '"2w".'),
    ("[corrections]\ngrace = 120", "corrections.grace = 120", '"2w".'),
    ("[corrections]\ngrace = true", "corrections.grace = true", '"2w".'),
    ('[corrections]\ngrace = "-2m"', 'corrections.grace = "-2m"', '"2w".'),
    ('[corrections]\ngrace = "999999999w"', "corrections.grace", "reckoned with."),
    ("[corrections]\nper_hour = -1", "corrections.per_hour = -1", "0 or more."),
    ("[corrections]\nper_hour = 1.5", "corrections.per_hour = 1.5", "a whole number."),
    ("[corrections]\nper_hour = true", "corrections.per_hour = true", "not true or false."),
    ("[budget]\nshare = 0", "budget.share = 0", "more than 0."),
    ("[budget]\nshare = 1.01", "budget.share = 1.01", "1 or less."),
    ("[budget]\nshare = nan", "budget.share = nan", "1 or less."),
    ("[budget]\nglobal_per_second = inf", "budget.global_per_second = inf", "finite number."),
    ("[budget]\nendpoint_per_second = 0", "budget.endpoint_per_second = 0", "more than 0."),
    ("[budget]\nsearch_per_second = -1", "budget.search_per_second = -1", "more than 0."),
    ("[budget]\nreads_per_30_days = 0", "budget.reads_per_30_days = 0", "more than 0."),
    ('[sweep]\nhorizon = "0d"', 'sweep.horizon = "0d"', "longer than nothing."),
    ("[sweeps]\nhorizon = 1", "sweeps", 'did you mean "sweep"?'),
    ('[[accounts]]\nname = "EU Shop"', 'accounts[0].name = "EU Shop"', "a-z, 0-9, - and _."),
    ('[[accounts]]\nname = "eu"\nstripe_account = "eu"', "accounts[0].stripe_account", '"acct_".'),
    ('[accounts]\nname = "eu"', "accounts", "written as [[accounts]]."),
]


@pytest.mark.parametrize(("right", "wrong", "begins", "ends"), SPOILT)
def test_one_fault_of_the_table(
    tmp_path: Path, right: str, wrong: str, begins: str, ends: str
) -> None:
    """Each mistake in [payments] is one sentence that begins with its key and ends with its mend."""
    found = [
        fault for fault in faults(tmp_path, RIGHT.replace(right, wrong)) if fault.startswith(begins)
    ]
    assert len(found) == 1
    assert found[0].endswith(ends)


@pytest.mark.parametrize(("text", "begins", "ends"), ADDED)
def test_one_fault_elsewhere(tmp_path: Path, text: str, begins: str, ends: str) -> None:
    """Each mistake outside [payments] is one sentence that begins with its key and ends with its mend."""
    (fault,) = faults(tmp_path, f"{RIGHT}\n{text}\n")
    assert fault.startswith(begins)
    assert fault.endswith(ends)


def test_all_at_once(tmp_path: Path) -> None:
    """Faults of single keys, between keys, of the environment and of a key file come in one answer."""
    text = (
        RIGHT.replace('currency = "currency"', "").replace('"incomplete"', '"incomplet"')
        + '[sweep]\nhorizon = "0"\n[[accounts]]\nname = "eu"\nkey_file = "no.key"\n'
    )
    found = "\n".join(faults(tmp_path, text, RECONCILER_BUDGET__SHARE="2", DATABASE_URL="shop"))
    for key in ("payments.currency", "payments.read.pending", "sweep.horizon", "budget.share"):
        assert key in found
    assert 'key_file of the account "eu"' in found
    assert "database.url" in found


def test_no_secret_in_a_fault(tmp_path: Path) -> None:
    """A key, a password or a whole address in the wrong place is not repeated to whoever reads the message."""
    secrets = ["sk_live_51HxVerySecret", "hunter2", "postgres-secret"]
    text = RIGHT.replace('"incomplete"', f'"{secrets[0]}"') + (
        f'[stripe]\nkey = "{secrets[0]}"\napi_base = "https://me:{secrets[1]}@host"\n'
        f'[database]\nurl = "{secrets[2]}"\npassword = "{secrets[1]}"\n'
    )
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {"STRIPE_API_KEY": f"pk_live_{secrets[1]}"})
    assert not [secret for secret in secrets if secret in str(caught.value)]
    assert any(
        fault.startswith("stripe.key: ") and "STRIPE_API_KEY" in fault
        for fault in caught.value.faults
    )


def test_secrets_are_not_printed(tmp_path: Path) -> None:
    """Printing the settings shows neither the key nor the database's password."""
    settings = loaded(tmp_path, RIGHT, DATABASE_URL="postgresql://me:hunter2@host/shop")
    assert "hunter2" not in repr(settings)
    assert ENVIRON["STRIPE_API_KEY"] not in repr(settings)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"[payments\n", "line 1"), (b"a = 1\nb = \n", "line 2"), (b"a = '\xff'", "UTF-8")],
)
def test_not_toml(tmp_path: Path, content: bytes, words: str) -> None:
    """A file that is not TOML is named together with the line."""
    path = tmp_path / "reconciler.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"reconciler\.toml is not TOML") as caught:
        load(path, ENVIRON)
    assert words in caught.value.faults[0]
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_several_accounts(tmp_path: Path) -> None:
    """Several accounts need names of their own, something that tells them apart, and the column."""
    twice = '[[accounts]]\nname = "eu"\n' * 2
    column, names, same = faults(tmp_path, RIGHT + twice)
    assert column.startswith("payments.account is missing")
    assert '"eu" is given 2 times' in names
    assert "they are one account" in same


@given(st.integers(min_value=0, max_value=10_000), st.sampled_from("smhdw"))
def test_durations(number: int, unit: str) -> None:
    """A duration is its number times its unit."""
    seconds = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[unit]
    assert parse_duration(f"{number}{unit}") == timedelta(seconds=number * seconds)


@given(st.text(max_size=12))
def test_durations_never_break(text: str) -> None:
    """Whatever is written, it is a duration or a ValueError that says the form."""
    try:
        span = parse_duration(text)
    except ValueError as error:
        said = str(error)
    else:
        said = "30d" if span >= timedelta(0) else ""
    assert "30d" in said or "reckoned" in said
