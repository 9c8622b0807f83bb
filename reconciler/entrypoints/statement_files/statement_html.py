"""A statement as one self-contained page: no script, nothing loaded, readable in light and dark, and made to be printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from html import escape
from typing import Final

from reconciler.domain.money import Money
from reconciler.domain.statement.statement import PartOfOpen, Statement
from reconciler.domain.statement.statement_figures import CurrencyStatement
from reconciler.entrypoints.shown_text import cell_text, moment_text, money_text
from reconciler.entrypoints.statement_files import statement_text
from reconciler.entrypoints.statement_files.certificate import TITLE, Certificate

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --soft: #8882; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin-top: 2.5rem; } h3 { font-size: 1rem; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top;
  overflow-wrap: break-word; }
.facts { table-layout: fixed; } .facts th:first-child { width: 34%; } .facts td { overflow-wrap: anywhere; }
pre { font: .8rem/1.4 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
th { background: var(--soft); } .money { text-align: right; white-space: nowrap; }
p { overflow-wrap: anywhere; }
.headline { font-size: 1.15rem; font-weight: 600; } .warning { border-left: .3rem solid; padding-left: .7rem; }
.moment { white-space: nowrap; }
.wide { overflow-x: auto; }
@media screen {
  /* a shadow at an edge says that the table goes on behind it */
  .wide { background: linear-gradient(to right, Canvas 40%, transparent) left / 2.5rem 100% no-repeat local,
      linear-gradient(to left, Canvas 40%, transparent) right / 2.5rem 100% no-repeat local,
      linear-gradient(to right, #8888, transparent) left / .8rem 100% no-repeat scroll,
      linear-gradient(to left, #8888, transparent) right / .8rem 100% no-repeat scroll; }
}
@media screen and (max-width: 40rem) {
  body { margin: 1rem auto; } table { font-size: .87rem; } th, td { padding: .25rem .4rem; }
  .facts tr { display: block; padding: .3rem 0; border-bottom: 1px solid var(--line); }
  .facts th, .facts td { display: block; border: 0; } .facts thead { display: none; }
  .facts td:first-child { font-weight: 600; } .facts tbody { display: block; }
}
@media print {
  @page { margin: 14mm 14mm 16mm; @bottom-right { content: "Page " counter(page) " of " counter(pages); font: 8pt sans-serif; } }
  :root { color-scheme: light; }
  body { max-width: none; margin: 0; padding: 0; font-size: 9pt; line-height: 1.35; color: #000; background: #fff; }
  h2 { margin-top: 1.2rem; } h1, h2, h3, .headline { break-after: avoid; } h3 { margin: .8rem 0 .2rem; } p { margin: .3rem 0; }
  table { font-size: 8pt; margin: .2rem 0 .5rem; } th, td { padding: .1rem .4rem; } pre { font-size: 7pt; line-height: 1.25; }
  .wide { overflow: visible; } td:first-child { overflow-wrap: anywhere; min-width: 10rem; }
  thead { display: table-header-group; } thead, tr { break-inside: avoid; } tbody tr:first-child { break-before: avoid; }
  .certificate { break-before: page; }
}
"""
_MOMENTS: Final = frozenset({"created", "at"})
_MOST_ROWS: Final = 10_000
"""A browser shows so many rows well; the workbook and CSV have all."""


def statement_html(certificates: Sequence[Certificate]) -> Iterator[str]:
    """The page in pieces: each statement with its certificate on the last page. Every text of others is escaped."""
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>{_text(_page_title(certificates))}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
    )
    for one in certificates:
        yield from _statement(one)
    for one in certificates:
        yield f'<section class="certificate">\n<h2>{TITLE}</h2>\n<p>Certificate of completeness.</p>\n'
        yield from _table(("what", "value"), one.lines(), "facts")
        yield "</section>\n"
    yield "</body>\n</html>\n"


def _page_title(certificates: Sequence[Certificate]) -> str:
    names = [
        f"{one.statement.account}, {one.statement.period.first} to {one.statement.period.last}"
        for one in certificates
    ]
    return f"Statement: {'; '.join(names)}"


def _statement(one: Certificate) -> Iterator[str]:
    found = one.statement
    yield f"<h1>Statement</h1>\n<p>{_text(statement_text.title(found))}. "
    yield f"{_text(statement_text.when(found, one.as_of))}</p>\n"
    yield f"<p><strong>{_text(statement_text.WHAT_IT_IS)}</strong></p>\n"
    if not found.is_complete:
        yield (
            f'<p class="warning">{_text(statement_text.days_not_examined(found))} The money of these days is in no '
            "sum of the period; the open differences of the account include it.</p>\n"
        )
    if not found.currencies:
        yield "<p>No payment of this period is known.</p>\n"
    for currency in found.currencies:
        yield from _currency(found, currency)
    again = statement_text.examined_again(found, one.as_of)
    if again:
        yield f"<p>{_text(again)}</p>\n"
    yield f"<p>{_text(statement_text.head_line(one.head))}</p>\n"


def _currency(found: Statement, one: CurrencyStatement) -> Iterator[str]:
    def money(amount: int) -> str:
        return money_text(Money(amount, one.currency))

    yield f"<section>\n<h2>{_text(one.currency.upper())}</h2>\n"
    headline = statement_text.headline(found, one)
    yield f'<p class="headline">{_text(headline[:1].upper() + headline[1:])}</p>\n'
    for said in (
        statement_text.lost_webhooks(found.period, one),
        statement_text.subsequent(one),
        statement_text.later_money(one),
    ):
        if said:
            yield f"<p>{_text(said)}</p>\n"
    pairs = statement_text.figures(found, one)
    if pairs:
        rows_of_figures = [(name.replace("  ", "explained: ", 1), value) for name, value in pairs]
        yield from _table(("figure", "value"), rows_of_figures)

    yield "<h3>Open differences of the whole account</h3>\n"
    movements = (
        (f"open at the beginning, {moment_text(found.period.start.astimezone(UTC))}", one.opening),
        ("new", one.new),
        ("cleared", one.cleared),
        (f"open at the cut-off, {moment_text(found.cut)}", one.closing),
    )
    rows = [(name, f"{moved.count:,}", money(moved.amount)) for name, moved in movements]
    yield from _table(("roll-forward", "findings", "money"), rows)
    rows_of_age = [
        (
            f"{aged.age} days",
            aged.owner or "no owner",
            f"{aged.items.count:,}",
            money(aged.items.amount),
        )
        for aged in found.aged(one)
    ]
    if rows_of_age:
        yield from _table(("open for", "owner", "findings", "money"), rows_of_age)
    yield from _items(found, one)
    yield from _carried_in(found, one)
    yield from _subsequent(one)
    yield from _later(one)
    yield "</section>\n"


def _items(found: Statement, one: CurrencyStatement) -> Iterator[str]:
    if not one.items:
        return
    yield "<h3>What explains the difference</h3>\n"
    listed = one.material_items
    rows = [
        (
            item.subject,
            item.kind,
            item.reason or "",
            item.state,
            found.owner_of(item) or "",
            moment_text(item.payment_created),
            money_text(Money(item.amount, item.currency)),
        )
        for item in listed[:_MOST_ROWS]
    ]
    small = one.below_materiality
    if small.count:
        below = statement_text.findings_below(
            small.count, money_text(Money(one.materiality, one.currency))
        )
        rows.append((below, "", "", "", "", "", money_text(Money(small.amount, one.currency))))
    if len(listed) > _MOST_ROWS:
        rest = sum(item.amount for item in listed[_MOST_ROWS:])
        more = (
            f"{len(listed) - _MOST_ROWS:,} more findings; --format xlsx and --format csv list all"
        )
        rows.append((more, "", "", "", "", "", money_text(Money(rest, one.currency))))
    yield from _table(
        ("payment", "kind", "reason", "state when examined", "owner", "created", "money"), rows
    )


def _carried_in(found: Statement, one: CurrencyStatement) -> Iterator[str]:
    """The open differences of payments that were created before the period."""
    items = [item for item in one.open_items if found.part_of(item) is PartOfOpen.CARRIED_IN]
    if not items:
        return
    yield "<h3>Carried in: open at the cut-off, from payments created before the period</h3>\n"
    rows = [
        (
            item.subject,
            item.kind,
            item.state,
            found.owner_of(item) or "",
            moment_text(item.payment_created),
            money_text(Money(item.amount, item.currency)),
        )
        for item in items[:_MOST_ROWS]
    ]
    yield from _table(("payment", "kind", "state", "owner", "created", "money"), rows)


def _later(one: CurrencyStatement) -> Iterator[str]:
    if not one.later:
        return
    yield "<h3>Money that moved after the cut-off</h3>\n"
    rows = [
        (
            statement_text.later_payment(later),
            statement_text.LATER_FIGURES[later.figure],
            later.day.isoformat(),
            statement_text.later_when(later),
            money_text(Money(later.before, one.currency)),
            money_text(Money(later.after, one.currency)),
        )
        for later in one.later[:_MOST_ROWS]
    ]
    titles = ("payment", "what", "created", "when", "money at the cut-off", "money as seen")
    yield from _table(titles, rows)


def _subsequent(one: CurrencyStatement) -> Iterator[str]:
    if not one.subsequent:
        return
    yield "<h3>Payments that changed after the cut-off</h3>\n"
    rows = []
    for event in one.subsequent[:_MOST_ROWS]:
        known = event.after or event.before
        rows.append(
            (
                "" if known is None else known.subject,
                "" if known is None else known.kind,
                event.state,
                moment_text(event.at),
                money_text(Money(event.amount_before, one.currency)),
                money_text(Money(event.amount_after, one.currency)),
            )
        )
    yield from _table(("payment", "kind", "state", "at", "money before", "money after"), rows)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], name: str = "") -> Iterator[str]:
    classes = [_class_of(title) for title in titles]
    named = f' class="{name}"' if name else ""
    yield f'<div class="wide" tabindex="0" role="group" aria-label="table: {_text(titles[0])}"><table{named}>\n<thead><tr>'
    for title, name_of_class in zip(titles, classes, strict=True):
        yield f'<th scope="col"{name_of_class}>{_text(title)}</th>'
    yield "</tr></thead>\n<tbody>\n"
    for row in rows:
        cells = zip(row, classes, strict=True)
        yield "<tr>"
        yield from (f"<td{name_of_class}>{_cell(cell)}</td>" for cell, name_of_class in cells)
        yield "</tr>\n"
    yield "</tbody></table></div>\n"


def _cell(text: str) -> str:
    """A text with its lines: a comment in a query ends with its line."""
    if "\n" not in text:
        return _text(text)
    lines = (_text(line) for line in text.splitlines() if line.strip())
    return f"<pre>{chr(10).join(lines)}</pre>"


def _class_of(title: str) -> str:
    """The attribute of a column's cells: amounts and counts stand to the right, and a time is not broken."""
    if title.startswith(("money", "findings")):
        return ' class="money"'
    return ' class="moment"' if title in _MOMENTS else ""


def _text(text: str) -> str:
    return escape(cell_text(text))
