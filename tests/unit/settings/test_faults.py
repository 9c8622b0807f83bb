"""A configuration's faults are reported all at once, each by its key, with its hint and without a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import ConfigurationError
from reconciler.exit_codes import ExitCode
from reconciler.settings import load
from tests.unit.settings.configuration import ENVIRON, VALID, faults, loaded, written

# what is replaced in the valid configuration, by what, and how the fault begins and ends
WRONG_IN_PAYMENTS = [
    ('table = "public.payments"', "", "payments.table is missing", '"schema.table".'),
    ('table = "public.payments"', 'table = "a.b.c"', 'payments.table = "a.b.c"', "in DATABASE_URL."),
    ('table = "public.payments"', "table = '\"a\".b'", "payments.table = '\"a\".b'", "without quotes."),
    ('table = "public.payments"', 'table = "public."', 'payments.table = "public."', "with a space."),
    ('key = "id"', "key = 3", "payments.key = 3", "a text in quotes."),
    ('key = "id"', 'key = ""', 'payments.key = ""', "with a space."),
    ('key = "id"', f'key = "{"i" * 64}"', "payments.key", "longer than 63 bytes."),
    ('key = "id"', 'key = "id"\nkeey = "id"', "payments.keey", 'Did you mean "key"?'),
    ('status = "status"', 'statsu = "status"', "payments.status is missing", "the payment's status."),
    ('amount = "amount"', 'amount = "amount"\namount_unit = "cents"', 'payments.amount_unit = "cents"', '"major".'),
    ('created = "created_at"', 'created = "c"\ncreated_unit = "us"', 'payments.created_unit = "us"', '"ms".'),
    ('currency = "currency"', "", "payments.currency is missing", 'such as "eur".'),
    ('currency = "currency"', 'currency_constant = "€"', 'payments.currency_constant = "€"', 'such as "eur".'),
    (
        'currency = "currency"',
        'currency = "c"\ncurrency_constant = "eur"',
        "payments.currency and payments.currency_constant are both set",
        "Delete one of them.",
    ),
    (
        'key = "id"',
        'key = "id"\nlink_metadata = "order_id"',
        "payments.link_metadata is set, but payments.order is not",
        "with the order.",
    ),
    (
        'key = "id"',
        'key = "id"\nlink_description = true',
        "payments.link_description is set, but payments.order is not",
        "with the order.",
    ),
    ('key = "id"', 'key = "id"\nmetadata_keys = [""]', "payments.metadata_keys", "may not be empty."),
    ('key = "id"', 'key = "id"\nmetadata_keys = "order_id"', "payments.metadata_keys", "brackets."),
    ('key = "id"', 'key = "id"\nmetadata = { order_id = true }', "payments.metadata.order_id", "in quotes."),
    ('key = "id"', 'key = "id"\nmetadata = { order_id = "*" }', "payments.metadata.order_id", "payments.metadata_keys."),
    ('key = "id"', 'key = "id"\nmetadata = { order_id = "" }', "payments.metadata.order_id", "payments.metadata_keys."),
    ('key = "id"', 'key = "id"\nwhere = " "', 'payments.where = " "', "may not be empty."),
    ('key = "id"', 'key = "id"\nwhere = "true; DROP TABLE x"', "payments.where", 'such as "deleted_at IS NULL".'),
    ('key = "id"', 'key = "id"\nwhere = "true -- all"', "payments.where", 'such as "deleted_at IS NULL".'),
    ('key = "id"', 'key = "id"\nwhere = "a = /* b */ 1"', "payments.where", 'such as "deleted_at IS NULL".'),
    ('key = "id"', 'key = "id"\nwhere = "a = $$b$$"', "payments.where", 'such as "deleted_at IS NULL".'),
    ('key = "id"', "key = \"id\"\nwhere = \"a = 'b\"", "payments.where", 'such as "deleted_at IS NULL".'),
    ('key = "id"', 'key = "id"\nwhere = "true) OR (true"', "payments.where", "do not match."),
    ('key = "id"', 'key = "id"\nwhere = "(true"', "payments.where", "do not match."),
    ('key = "id"', "key = \"id\"\nwhere = \"a = E'b\\\\' || 'c'\"", "payments.where", "U&'…' text."),
    ('pending = "incomplete"', 'pending = "incomplet"', 'payments.read.pending = "incomplet"', 'mean "incomplete"?'),
    ('pending = "incomplete"', 'pending = "unknown"', 'payments.read.pending = "unknown"', "disputed."),
    ('pending = "incomplete"', "pending = 1", "payments.read.pending = 1", "disputed."),
    ('succeeded = "paid"', 'refunded = "paid"', "payments.write.refunded", "Delete this line."),
    ('succeeded = "paid"', 'suceeded = "paid"', "payments.write.suceeded", 'Did you mean "succeeded"?'),
    ('succeeded = "paid"', 'succeeded = ""', 'payments.write.succeeded = ""', "may not be empty."),
    ('succeeded = "paid"', 'succeeded = "done"', 'payments.write.succeeded = "done"', "under [payments.read]."),
    ('succeeded = "paid"', 'succeeded = "keep"', 'payments.write.succeeded = "keep"', "leave the line out."),
    ('succeeded = "paid"', 'failed = "paid"', 'payments.write.failed = "paid"', "correct payments.read.paid."),
]  # fmt: skip
WRONG_ELSEWHERE = [
    ('[stripe]\nlivemode = "perhaps"', 'stripe.livemode = "perhaps"', "true or false."),
    ("[stripe]\nlivemod = true", "stripe.livemod", 'Did you mean "livemode"?'),
    ('[stripe]\napi_base = "ftp://x"', "stripe.api_base", '"https://host:port".'),
    ('[stripe]\napi_base = "https://x/"', "stripe.api_base", '"https://host:port".'),
    ('[stripe]\napi_base = "https://x?a=b"', "stripe.api_base", '"https://host:port".'),
    ('[stripe]\napi_base = "https://x:port"', "stripe.api_base", '"https://host:port".'),
    (
        '[corrections]\nmode = "replay"',
        'corrections.mode = "replay"',
        'Write "report" or "update".',
    ),
    ('[corrections]\nmode = "repot"', 'corrections.mode = "repot"', 'Did you mean "report"?'),
    ('[corrections]\ngrace = "2 minutes"', 'corrections.grace = "2 minutes"', '"2w".'),
    ("[corrections]\ngrace = 120", "corrections.grace = 120", '"2w".'),
    ("[corrections]\ngrace = true", "corrections.grace = true", '"2w".'),
    ('[corrections]\ngrace = "-2m"', 'corrections.grace = "-2m"', '"2w".'),
    ('[corrections]\ngrace = "999999999w"', "corrections.grace", "(73050d) or less."),
    ("[corrections]\nper_hour = -1", "corrections.per_hour = -1", "0 or more."),
    ("[corrections]\nper_hour = 1.5", "corrections.per_hour = 1.5", "a whole number."),
    ("[corrections]\nper_hour = true", "corrections.per_hour = true", "not true or false."),
    ("[budget]\nshare = 0", "budget.share = 0", "0.001 or more."),
    ("[budget]\nshare = 1.01", "budget.share = 1.01", "1 or less."),
    ("[budget]\nshare = nan", "budget.share = nan", "1 or less."),
    ("[budget]\nglobal_per_second = inf", "budget.global_per_second = inf", "1,000,000 or less."),
    ("[budget]\nendpoint_per_second = 0", "budget.endpoint_per_second = 0", "0.001 or more."),
    ("[budget]\nsearch_per_second = -1", "budget.search_per_second = -1", "0.001 or more."),
    ("[budget]\nreads_per_30_days = 0", "budget.reads_per_30_days = 0", "more than 0."),
    ('[sweep]\nhorizon = "0d"', 'sweep.horizon = "0d"', 'Write "1s" or more.'),
    ("[sweeps]\nhorizon = 1", "sweeps", 'Did you mean "sweep"?'),
    ('[[accounts]]\nname = "EU\\tShop"', "accounts[0].name", "1 to 64 printable characters."),
    ('[[accounts]]\nname = " EU"', 'accounts[0].name = " EU"', "begins or ends with a space."),
    ('[[accounts]]\nname = "rk_live_0123456789abcdefghijklmn"', "accounts[0].name", "a key_file."),
    ('[[accounts]]\nname = "eu"\nvalue = ""', 'accounts[0].value = ""', "has a NUL in it."),
    ('[[accounts]]\nname = "eu"\nstripe_account = "eu"', "accounts[0].stripe_account", '"acct_".'),
    ('[accounts]\nname = "eu"', "accounts", "written as [[accounts]]."),
]


@pytest.mark.parametrize(("valid", "wrong", "begins", "ends"), WRONG_IN_PAYMENTS)
def test_mistake_in_payments_is_one_fault(
    tmp_path: Path, valid: str, wrong: str, begins: str, ends: str
) -> None:
    """Each mistake in [payments] is one fault that begins with its key and ends with its hint."""
    found = [
        fault for fault in faults(tmp_path, VALID.replace(valid, wrong)) if fault.startswith(begins)
    ]
    assert len(found) == 1
    assert found[0].endswith(ends)


@pytest.mark.parametrize(("text", "begins", "ends"), WRONG_ELSEWHERE)
def test_mistake_elsewhere_is_one_fault(tmp_path: Path, text: str, begins: str, ends: str) -> None:
    """Each mistake outside [payments] is one fault that begins with its key and ends with its hint."""
    (fault,) = faults(tmp_path, f"{VALID}\n{text}\n")
    assert fault.startswith(begins)
    assert fault.endswith(ends)


def test_every_fault_is_reported_at_once(tmp_path: Path) -> None:
    """Faults of single keys, of several keys together, of the environment and of a key file come in one error."""
    text = (
        VALID.replace('currency = "currency"', "").replace('"incomplete"', '"incomplet"')
        + '[sweep]\nhorizon = "0"\n[[accounts]]\nname = "eu"\nkey_file = "no.key"\n'
    )
    found = "\n".join(faults(tmp_path, text, RECONCILER_BUDGET__SHARE="2", DATABASE_URL="shop"))
    for key in ("payments.currency", "payments.read.pending", "sweep.horizon", "budget.share"):
        assert key in found
    assert 'key_file of the account "eu"' in found
    assert "database.url" in found


def test_a_fault_shows_no_secret(tmp_path: Path) -> None:
    """A key, a password or a URL in the wrong place is not repeated in the message."""
    secrets = ["sk_live_51HxVeryLongSecret", "hunter2", "postgres-secret"]
    text = VALID.replace('"incomplete"', f'"{secrets[0]}"') + (
        f'[stripe]\nkey = "{secrets[0]}"\napi_base = "https://me:{secrets[1]}@host"\n'
        f'[database]\nurl = "{secrets[2]}"\npassword = "{secrets[1]}"\n'
    )
    path = written(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {"STRIPE_API_KEY": f"pk_live_{secrets[1]}"})
    assert not [secret for secret in secrets if secret in str(caught.value)]
    assert any(
        fault.what.startswith("stripe.key: ") and "STRIPE_API_KEY" in fault.hint
        for fault in caught.value.faults
    )


def test_printed_settings_show_no_secret(tmp_path: Path) -> None:
    """Printing the settings shows neither the key nor the database's password."""
    settings = loaded(tmp_path, VALID, DATABASE_URL="postgresql://me:hunter2@host/shop")
    assert "hunter2" not in repr(settings)
    assert ENVIRON["STRIPE_API_KEY"] not in repr(settings)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"[payments\n", "line 1"), (b"a = 1\nb = \n", "line 2"), (b"a = '\xff'", "UTF-8")],
)
def test_a_file_that_is_not_toml(tmp_path: Path, content: bytes, words: str) -> None:
    """The message names a file that is not TOML, and the line."""
    path = tmp_path / "reconciler.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"reconciler\.toml is not TOML") as caught:
        load(path, ENVIRON)
    assert words in caught.value.faults[0].what
    assert caught.value.exit_code is ExitCode.CONFIGURATION


def test_accounts_that_are_the_same(tmp_path: Path) -> None:
    """Several accounts need different names, different keys or Stripe accounts, and the column with the name."""
    twice = '[[accounts]]\nname = "eu"\n' * 2
    column, names, same = faults(tmp_path, VALID + twice)
    assert column.startswith("payments.account is missing")
    assert '2 accounts have the name "eu"' in names
    assert "they are one account" in same


def test_a_row_belongs_to_one_account(tmp_path: Path) -> None:
    """One account at most takes the rows without an account, no two have one value, and both need the column."""
    of_account = VALID.replace("[payments]", '[payments]\naccount = "account"', 1)
    texts = {
        '"eu" and "us" both have holds_null': ("holds_null = true", "holds_null = true"),
        'the same value "eu"': ('value = "eu"', 'value = "eu"'),
        '"eu" and "us" have the same value "us"': ('value = "us"', ""),
    }
    for words, (first, second) in texts.items():
        accounts = f'[[accounts]]\nname = "eu"\nstripe_account = "acct_1"\n{first}\n'
        accounts += f'[[accounts]]\nname = "us"\n{second}\n'
        (fault,) = faults(tmp_path, of_account + accounts)
        assert words in fault
    for key in ('value = "eu"', "holds_null = true"):
        (fault,) = faults(tmp_path, VALID + f'[[accounts]]\nname = "eu"\n{key}\n')
        assert "payments.account is not" in fault


def test_a_message_does_not_repeat_a_long_value(tmp_path: Path) -> None:
    """What a status means is cut off in the message if it is no outcome but a long text."""
    text = VALID.replace('paid = "succeeded"', f'paid = "{"x" * 5000}"')
    assert all(len(fault) < 500 for fault in faults(tmp_path, text))
