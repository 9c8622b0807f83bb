"""One API request as an endpoint sees it, and how its answer is put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.sandbox.api.parameters import Params
from reconciler.sandbox.faults.faults import Break
from reconciler.sandbox.objects.answers import ApiRefusal, unknown_object
from reconciler.sandbox.objects.records import Record
from reconciler.sandbox.state.account_book import AccountBook
from reconciler.sandbox.state.keys import Key
from reconciler.sandbox.state.sandbox import Sandbox
from reconciler.sandbox.state.timeline import Timeline

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class Call:
    """An authenticated request. ``ident`` is the id in the path, ``now`` Stripe's time in Unix seconds.

    ``page_fault`` is how a list page goes wrong, if it does.
    """

    sandbox: Sandbox
    key: Key
    book: AccountBook
    path: str
    params: Params
    ident: str
    now: int
    page_fault: Break | None = None

    def demand(self, permission: str) -> None:
        """Raises the 403 of a restricted key without this permission."""
        self.key.demand(permission, self.book.account)

    def found(
        self, kind: str, timeline: Callable[[AccountBook], Timeline[R]], *, param: str | None = None
    ) -> R:
        """The object of the path, or of a parameter; raises Stripe's ``resource_missing``."""
        ident = self.ident if param is None else str(self.params.get(param))
        record = timeline(self.book).get(ident)
        if record is None:
            raise self.missing(kind, timeline, ident, param)
        return record

    def missing(
        self,
        kind: str,
        timeline: Callable[[AccountBook], Timeline[R]],
        ident: str,
        param: str | None,
    ) -> ApiRefusal:
        """``resource_missing``, with a word about the other mode where the object is there."""
        elsewhere = timeline(self.sandbox.book(self.book.account, not self.book.livemode))
        return unknown_object(
            kind,
            ident,
            other_mode_of=self.key.livemode if ident in elsewhere else None,
            param=param or ("intent" if kind == "payment_intent" else "id"),
            status=404 if param is None else 400,
        )


def spoiled(records: Sequence[R], more: bool, fault: Break | None) -> tuple[list[R], bool]:
    """A page as a fault leaves it."""
    page = list(records)
    if fault is Break.EMPTY_PAGE:
        return [], True
    if fault is Break.REPEATED_ITEM and page:
        page.insert(0, page[0])
    if fault is Break.SKIPPED_ITEM and page:
        # The first, so that the last stays the cursor of the next page.
        del page[0]
    return page, more


def list_body(path: str, items: Sequence[bytes], *, has_more: bool) -> bytes:
    """A list object around items that are already serialized."""
    head = b'{\n  "object": "list",\n  "data": ['
    tail = b'],\n  "has_more": %s,\n  "url": "%s"\n}' % (
        b"true" if has_more else b"false",
        path.encode(),
    )
    return b"".join((head, b",".join(items), tail))
