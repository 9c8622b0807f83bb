"""One authenticated API request, and the body of a list answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from reconciler.sandbox.api.parameters import Params
from reconciler.sandbox.faults.faults import RequestFault
from reconciler.sandbox.objects.answers import ApiRefusal, unknown_object
from reconciler.sandbox.objects.records import Record
from reconciler.sandbox.state.account_records import AccountRecords
from reconciler.sandbox.state.keys import ApiKey
from reconciler.sandbox.state.sandbox import Sandbox
from reconciler.sandbox.state.timeline import Timeline

R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True)
class ApiCall:
    """An authenticated request. ``records`` are the objects of its account and mode.

    ``ident`` is the id in the path, ``now`` is Stripe's time in Unix seconds, ``page_fault`` the fault of a list page.
    """

    sandbox: Sandbox
    key: ApiKey
    records: AccountRecords
    path: str
    params: Params
    ident: str
    now: int
    page_fault: RequestFault | None = None

    def raise_if_forbidden(self, permission: str) -> None:
        """Raise Stripe's 403 if the key is restricted and lacks this permission."""
        self.key.raise_if_forbidden(permission, self.records.account)

    def find(
        self,
        kind: str,
        timeline: Callable[[AccountRecords], Timeline[R]],
        *,
        param: str | None = None,
    ) -> R:
        """The object that the path or a parameter names. Raises Stripe's ``resource_missing``."""
        ident = self.ident if param is None else str(self.params.get(param))
        record = timeline(self.records).get(ident)
        if record is None:
            raise self.missing_error(kind, timeline, ident, param)
        return record

    def missing_error(
        self,
        kind: str,
        timeline: Callable[[AccountRecords], Timeline[R]],
        ident: str,
        param: str | None,
    ) -> ApiRefusal:
        """Stripe's ``resource_missing``; it says so if the object exists in the other mode."""
        elsewhere = timeline(self.sandbox.records(self.records.account, not self.records.livemode))
        return unknown_object(
            kind,
            ident,
            other_mode_of=self.key.livemode if ident in elsewhere else None,
            param=param or ("intent" if kind == "payment_intent" else "id"),
            status=404 if param is None else 400,
        )


def page_with_fault(
    records: Sequence[R], more: bool, fault: RequestFault | None
) -> tuple[list[R], bool]:
    """The page with the fault in it, if there is one."""
    page = list(records)
    if fault is RequestFault.EMPTY_PAGE:
        return [], True
    if fault is RequestFault.REPEATED_ITEM and page:
        page.insert(0, page[0])
    if fault is RequestFault.SKIPPED_ITEM and page:
        # the first item, so that the last one is still the cursor of the next page
        del page[0]
    return page, more


def list_body(path: str, items: Sequence[bytes], *, has_more: bool) -> bytes:
    """The body of a list, from serialized items."""
    head = b'{\n  "object": "list",\n  "data": ['
    tail = b'],\n  "has_more": %s,\n  "url": "%s"\n}' % (
        b"true" if has_more else b"false",
        path.encode(),
    )
    return b"".join((head, b",".join(items), tail))
