"""``doctor`` compares some hundred rows with Stripe. Each hint is tested by following it."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.acceptance.cli.conftest import CONFIGURATION, HOUR_AGO, Town
from tests.some_quick import some_quick

ROWS = 24


def of_rows(town: Town, level: str, code: int) -> list[dict[str, str]]:
    """The doctor's checks of rows and table of one level."""
    answer = town.run("doctor", "--json")
    assert answer.code == code, answer.out
    return [
        check
        for check in answer.json["checks"]
        if check["level"] == level and "public.payments" in check["about"]
    ]


def said(town: Town, level: str, words: str, code: int) -> dict[str, str]:
    """The one check that says these words."""
    (found,) = [check for check in of_rows(town, level, code) if words in check["what"]]
    return found


def is_silent(town: Town, words: str) -> bool:
    """Whether no warning and no fault says these words any more."""
    answer = town.run("doctor", "--json")
    return not any(
        words in check["what"] for check in answer.json["checks"] if check["level"] != "ok"
    )


def add(town: Town, first: int, count: int, **values: object) -> None:
    """Add paid payments of an hour ago."""
    for key in range(first, first + count):
        town.pay(key, **{"status": "paid", **values})


def indexed(town: Town) -> None:
    for column in ("stripe_payment_intent_id", "created_at", "order_id"):
        town.shop.execute(f"CREATE INDEX ON public.payments ({column})")


def test_rows_that_fit(town: Town) -> None:
    """Rows that agree with Stripe give one line, which says how many were compared."""
    add(town, 1, ROWS)
    (line,) = [c for c in of_rows(town, "ok", 0) if c["about"].startswith("rows of")]
    assert (
        line["what"] == f"{ROWS} sampled rows fit the mapping, {ROWS} of them compared with Stripe"
    )


def test_without_a_key_the_rows_are_still_checked(town: Town) -> None:
    """What needs no Stripe is said without it."""
    add(town, 1, 1, status="on its way")
    answer = town.run("doctor", "--json", STRIPE_API_KEY="")
    assert '"on its way" 1' in "".join(
        check["what"].replace("\\", "") for check in answer.json["checks"]
    )


def test_major_amounts_in_minor_units(town: Town) -> None:
    """39.94 is no amount in minor units: a fault, and the hint names the key that ends it."""
    town.shop.execute("ALTER TABLE public.payments ALTER amount TYPE numeric(12, 2)")
    add(town, 1, ROWS, amount="12.50")
    found = said(town, "fault", "not whole numbers of minor units, such as 12.50", 78)
    assert found["hint"] == 'Set amount_unit = "major".'
    town.configure(
        text=CONFIGURATION.replace('amount = "amount"', 'amount = "amount"\namount_unit = "major"')
    )
    assert is_silent(town, "units")


def test_whole_amounts_in_the_wrong_unit(town: Town) -> None:
    """Whole amounts that are a hundredth of Stripe's stand for major units."""
    town.shop.execute("ALTER TABLE public.payments ALTER amount TYPE numeric(12, 2)")
    for key in range(1, ROWS):
        intent = town.stripe.create_payment(1200, "eur", at=HOUR_AGO)
        town.stripe.succeed(intent.id, at=HOUR_AGO)
        town.shop.insert(
            key=key,
            payment_intent=intent.id,
            status="paid",
            amount="12",
            created=HOUR_AGO.isoformat(),
        )
    found = said(
        town, "fault", "they agree in 23 of 23 compared rows if they are in major units", 78
    )
    assert found["hint"] == 'Set amount_unit = "major".'


def test_a_currency_that_stripe_contradicts(town: Town) -> None:
    """Every row says usd and Stripe says eur: a fault, whose hint works."""
    add(town, 1, ROWS, currency="usd")
    found = said(
        town,
        "fault",
        "the currency differs from Stripe's, such as usd in the row and eur at Stripe",
        78,
    )
    assert found["hint"] == 'Remove currency, and set currency_constant = "eur".'
    town.configure(text=CONFIGURATION.replace('currency = "currency"', 'currency_constant = "eur"'))
    assert is_silent(town, "currency")


def test_a_meaning_that_stripe_contradicts(town: Town) -> None:
    """A status that is mapped to canceled while Stripe has the money for nearly all of its rows is a fault."""
    add(town, 1, ROWS)
    wrong = CONFIGURATION.replace('paid = "succeeded"', 'paid = "canceled"').replace(
        'succeeded = "paid"\n', ""
    )
    town.configure(text=wrong)
    found = said(
        town,
        "fault",
        f'"paid" is mapped to canceled, but Stripe says succeeded for {ROWS} of {ROWS}',
        78,
    )
    assert found["hint"] == 'Write "paid" = "succeeded" under [payments.read].'
    town.configure()
    assert is_silent(town, '"paid"')


def test_rows_behind_stripe_are_no_contradiction(town: Town) -> None:
    """An outage leaves only paid payments pending: that is what a sweep corrects, and no fault of the mapping."""
    add(town, 1, ROWS, status="pending")
    found = said(
        town,
        "warning",
        f'"pending" is mapped to incomplete, but Stripe says succeeded for {ROWS} of {ROWS}',
        0,
    )
    assert "either the webhooks of all these rows were lost" in found["what"]


def test_statuses_that_are_not_mapped(town: Town) -> None:
    """Each is named with its count, and what Stripe's side of its rows speaks for."""
    add(town, 1, ROWS, status="done")
    add(town, 100, 1, status="odd")
    found = said(town, "warning", "statuses that are not mapped", 0)
    assert f'"done" {ROWS}, "odd" 1 (of {ROWS + 1} sampled rows)' in found["what"]
    assert '"done" = "succeeded"' in found["hint"]
    assert '"odd" =' not in found["hint"]
    text = CONFIGURATION.replace(
        "[payments.read]\n", '[payments.read]\ndone = "succeeded"\nodd = "failed"\n'
    )
    town.configure(text=text)
    assert is_silent(town, "not mapped")


def test_created_is_empty_or_local_time(town: Town) -> None:
    """A time without a zone that is two hours off is named with the text that ends it."""
    town.shop.execute(
        "ALTER TABLE public.payments ALTER created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'"
    )
    late = (HOUR_AGO + timedelta(hours=2)).replace(tzinfo=None).isoformat()
    add(town, 1, ROWS, created=late)
    add(town, 100, 1, created=None)
    assert said(town, "warning", "1 of 25 sampled rows have no usable time in created", 0)
    found = said(
        town,
        "warning",
        "differs from Stripe's time by more than an hour in 24 of 24 compared rows",
        0,
    )
    line = re.search(r"created = (\{.*\})", found["hint"])
    assert line is not None
    town.configure(text=CONFIGURATION.replace('created = "created_at"', line[0]))
    assert is_silent(town, "from Stripe's time")


def test_a_metadata_filter_that_few_intents_have(town: Town) -> None:
    """A copied filter hides every PaymentIntent without a row: a warning, and without it they are found."""
    add(town, 1, ROWS)
    town.configure(
        text=CONFIGURATION.replace(
            'order = "order_id"', 'order = "order_id"\nmetadata = { app = "shop" }'
        )
    )
    found = said(
        town, "warning", f'0 of {ROWS} newest PaymentIntents have the metadata app = "shop"', 0
    )
    assert found["hint"].startswith("Remove payments.metadata")
    town.configure()
    assert is_silent(town, "metadata app")


def test_descriptions_that_are_no_orders(town: Town) -> None:
    """A setting that links nearly nothing is a warning; a description is not shown, and the hint ends it."""
    for key in range(1, ROWS):
        intent = town.stripe.create_payment(1250, "eur", at=HOUR_AGO, description=f"Ana's {key}")
        town.stripe.succeed(intent.id, at=HOUR_AGO)
        town.shop.insert(
            key=key,
            payment_intent=intent.id,
            status="paid",
            order=f"o-{key}",
            created=HOUR_AGO.isoformat(),
        )
    text = CONFIGURATION.replace("[payments.read]", "link_description = true\n[payments.read]")
    town.configure(text=text)
    found = said(
        town, "warning", "PaymentIntents without an order in the metadata, 0 of 23 have", 0
    )
    assert "Ana" not in str(found)
    assert found["hint"].startswith("Remove payments.link_description")
    town.configure()
    assert is_silent(town, "link_description")
    town.configure(text=text)
    town.shop.execute("UPDATE public.payments SET order_id = 'Ana''s ' || id")
    assert is_silent(town, "link_description")


@some_quick("has_provider", [True, False], quick=1)
def test_rows_of_another_gateway(town: Town, has_provider: bool) -> None:
    """The condition that the hint proposes leaves them out, by the column with the gateway or else by the ids."""
    add(town, 1, 8, order="stripe", status="paid")
    for key in range(100, 103):
        order = "adyen" if has_provider else "stripe"
        town.shop.insert(
            key=key,
            payment_intent=f"PSP{key}",
            status="paid",
            order=order,
            created=HOUR_AGO.isoformat(),
        )
    found = said(town, "warning", "3 of the 11 newest ids", 0)
    condition = re.search(r"where = (.*)$", found["hint"])
    assert condition is not None
    assert ("t.order_id = 'stripe'" in condition[1]) is has_provider
    town.configure(
        text=CONFIGURATION.replace("[payments.read]", f"where = {condition[1]}\n[payments.read]")
    )
    assert is_silent(town, "newest ids")


def test_a_large_table_is_not_read_whole(town: Town) -> None:
    """A large table without any index is sampled by its blocks, and Stripe's PaymentIntents are not looked for in it."""
    town.shop.execute("ALTER TABLE public.payments DROP CONSTRAINT payments_pkey")
    add(town, 1, 2, status="done")
    town.shop.execute(
        "INSERT INTO public.payments SELECT g, 'pi_' || g || 'x', 'done', 1250, 'eur', now(), now(), NULL"
        " FROM generate_series(1000, 251000) AS g"
    )
    town.shop.execute("ANALYZE public.payments")
    found = said(town, "warning", "statuses that are not mapped", 0)
    assert '"done" 500 (of 500 sampled rows)' in found["what"]
