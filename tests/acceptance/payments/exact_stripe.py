"""A small Stripe on loopback that serves exactly the objects a test gives it.

It refuses what Stripe refuses (an unknown parameter, a search with AND and OR, an expansion that does not exist), counts
every request, and runs a test's own action just before an answer: so a webhook can arrive between two reads.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.acceptance.payments.search_query import Query, QueryError
from tests.acceptance.payments.stripe_objects import Json

LIST = {"limit", "starting_after", "ending_before", "expand", "created"}
LISTS: dict[str, tuple[str, set[str]]] = {
    "/v1/payment_intents": ("payment_intent", LIST | {"customer"}),
    "/v1/events": ("event", LIST | {"type", "types", "delivery_success"}),
    "/v1/charges": ("charge", LIST | {"customer", "payment_intent"}),
    "/v1/refunds": ("refund", LIST | {"charge", "payment_intent"}),
    "/v1/disputes": ("dispute", LIST | {"charge", "payment_intent"}),
    "/v1/checkout/sessions": ("checkout.session", LIST | {"payment_intent", "status"}),
    "/v1/webhook_endpoints": ("webhook_endpoint", LIST - {"created"}),
    "/v1/balance_transactions": ("balance_transaction", LIST | {"source", "type", "currency"}),
}
"""The path of each list, what is in it, and the parameters that it takes."""
SEARCH = "/v1/payment_intents/search"
MOST_OF_A_PAGE = 100
DEEPEST_EXPANSION = 4


@dataclass(frozen=True)
class Request:
    """One request: its path, and its parameters with ``[0]`` and ``[]`` taken away."""

    path: str
    params: tuple[tuple[str, str], ...]
    target: str

    def all(self, name: str) -> list[str]:
        """Every value of a parameter."""
        return [value for key, value in self.params if key == name]


@dataclass
class Search:
    """How the search behaves. ``lag`` hides what is younger; ``stale`` are copies that the index still has.

    ``inexact`` are ids that every answer contains besides, as an index that compares loosely would. With ``endless``
    every page claims that another follows.
    """

    lag: timedelta = timedelta(minutes=1)
    stale: dict[str, Json] = field(default_factory=dict)
    inexact: list[str] = field(default_factory=list)
    endless: bool = False


@dataclass
class Refusal:
    """An answer that takes the place of Stripe's, so many times."""

    path: str
    status: int
    message: str
    code: str | None
    times: int


class RefusedError(Exception):
    """The request is answered with an error."""

    def __init__(self, status: int, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class ExactStripe:
    """The objects, and how they are read. Safe to use from the server's threads."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[Request] = []
        self.search = Search()
        self.offset = timedelta()
        """How far Stripe's clock is ahead of this machine's: a test lets time go by."""
        self.failures: list[Exception] = []
        """What the actions of the test raised; a thread of the server would lose it."""
        self._objects: dict[str, Json] = {}
        self._refusals: list[Refusal] = []
        self._actions: list[tuple[str, Callable[[], None]]] = []
        self._lock = threading.RLock()

    def serve(self, *objects: Json) -> None:
        """Add objects, or put them in the place of those with the same ids."""
        with self._lock:
            for given in objects:
                one = copy.deepcopy(given)
                if isinstance(one.get("latest_charge"), dict):
                    charge = one["latest_charge"]
                    one["latest_charge"] = charge["id"]
                    self._objects[charge["id"]] = charge
                self._objects[one["id"]] = one

    def change(self, ident: str, **fields: Any) -> None:
        """Change fields of an object."""
        with self._lock:
            self._objects[ident].update(fields)

    def remove(self, *idents: str) -> None:
        """Let objects be unknown."""
        with self._lock:
            for ident in idents:
                del self._objects[ident]

    def refuse(
        self,
        path: str,
        status: int,
        message: str = "An error that a test asked for.",
        *,
        code: str | None = None,
        times: int = 1_000_000,
    ) -> None:
        """Answer requests for this path, or for any below it, with an error."""
        self._refusals.append(Refusal(path, status, message, code, times))

    def relent(self) -> None:
        """End every refusal."""
        self._refusals.clear()

    def before(self, path: str, action: Callable[[], None]) -> None:
        """Do something once, just before the next request for a path that begins like this is answered."""
        self._actions.append((path, action))

    def forget_actions(self) -> None:
        """Drop the actions that no request has come for."""
        self._actions.clear()

    def asked(self, path: str) -> list[Request]:
        """The requests so far for a path that begins like this."""
        return [request for request in self.requests if request.path.startswith(path)]

    def now(self) -> datetime:
        """Stripe's time."""
        return datetime.now(UTC) + self.offset

    def answer(self, target: str) -> tuple[int, Json]:
        """Status and body for a GET."""
        request = _request(target)
        with self._lock:
            self.requests.append(request)
            due = [one for one in self._actions if request.path.startswith(one[0])]
            self._actions = [one for one in self._actions if one not in due]
        for _, action in due:
            try:
                action()
            except Exception as error:  # noqa: BLE001 - the test asserts that there is none
                self.failures.append(error)
        try:
            with self._lock:
                self._refuse_if_asked(request)
                return 200, self._body(request)
        except RefusedError as error:
            kind = "invalid_request_error" if error.status < 500 else "api_error"
            return error.status, {
                "error": {"type": kind, "message": str(error), "code": error.code}
            }

    def _refuse_if_asked(self, request: Request) -> None:
        for refusal in self._refusals:
            if request.path.startswith(refusal.path) and refusal.times > 0:
                refusal.times -= 1
                raise RefusedError(refusal.status, refusal.message, refusal.code)

    def _body(self, request: Request) -> Json:
        if request.path == SEARCH:
            body = self._found(request)
        elif request.path in LISTS:
            body = self._listed(request, *LISTS[request.path])
        else:
            body = self._one(request)
        for path in request.all("expand"):
            self._expand(body, path.split("."), path)
        return body

    def _one(self, request: Request) -> Json:
        folder, _, ident = request.path.rpartition("/")
        if folder not in LISTS:
            raise RefusedError(404, f"Unrecognized request URL (GET: {request.path}).")
        kind = LISTS[folder][0]
        found = self._objects.get(ident)
        if found is None or found["object"] != kind:
            raise RefusedError(404, f"No such {kind}: '{ident}'", "resource_missing")
        return copy.deepcopy(found)

    def _listed(self, request: Request, kind: str, known: set[str]) -> Json:
        names = {name.partition("[")[0] for name, _ in request.params}
        if names - known:
            raise RefusedError(400, f"Received unknown parameter: {min(names - known)}", "x")
        items = [
            one
            for one in self._objects.values()
            if one["object"] == kind and _is_wanted(one, request)
        ]
        items.sort(key=lambda one: (-one["created"], one["id"]))
        limit = _limit(request)
        ids = [one["id"] for one in items]
        for after in request.all("starting_after"):
            items = items[ids.index(after) + 1 :] if after in ids else []
        for before in request.all("ending_before"):
            items = items[: ids.index(before)][-limit:] if before in ids else []
        return {
            "object": "list",
            "data": copy.deepcopy(items[:limit]),
            "has_more": len(items) > limit,
            "url": request.path,
        }

    def _found(self, request: Request) -> Json:
        try:
            query = Query(request.all("query")[0])
        except (IndexError, QueryError) as error:
            raise RefusedError(400, f"The search query is not valid: {error}") from None
        indexed_until = int((self.now() - self.search.lag).timestamp())
        items = [
            self.search.stale.get(one["id"], one)
            for one in self._objects.values()
            if one["object"] == "payment_intent"
            and (
                one["id"] in self.search.inexact
                or (query.matches(one) and one["created"] <= indexed_until)
            )
        ]
        items.sort(key=lambda one: (-one["created"], one["id"]))
        begin, limit = int((request.all("page") or ["0"])[0]), _limit(request)
        more = self.search.endless or len(items) > begin + limit
        return {
            "object": "search_result",
            "data": copy.deepcopy(items[begin : begin + limit]),
            "has_more": more,
            "next_page": str(begin + limit) if more else None,
            "url": SEARCH,
        }

    def _expand(self, body: Json, parts: list[str], path: str) -> None:
        if len(path.split(".")) > DEEPEST_EXPANSION + 1:
            raise RefusedError(400, f"You cannot expand more than 4 levels: {path}")
        head, rest = parts[0], parts[1:]
        if head == "data" and body.get("object") in ("list", "search_result"):
            for one in body["data"]:
                self._expand(one, rest, path)
            return
        if head == "refunds" and body.get("object") == "charge":
            listed = _request(f"/v1/refunds?charge={body['id']}")
            body[head] = self._listed(listed, *LISTS["/v1/refunds"])
        elif head == "total_count" and body.get("object") == "search_result":
            body[head] = len(body["data"])
        elif head not in body:
            raise RefusedError(400, f"This property cannot be expanded ({path}).")
        if isinstance(body[head], str):
            body[head] = copy.deepcopy(self._objects[body[head]])
        if rest and isinstance(body[head], dict):
            self._expand(body[head], rest, path)


def _request(target: str) -> Request:
    split = urlsplit(target)
    params = []
    for name, value in parse_qsl(split.query, keep_blank_values=True):
        base, _, inner = name.partition("[")
        index = inner.rstrip("]")
        params.append((base if not index or index.isdigit() else name, value))
    return Request(split.path, tuple(params), target)


def _limit(request: Request) -> int:
    limit = int((request.all("limit") or ["10"])[0])
    if not 1 <= limit <= MOST_OF_A_PAGE:
        raise RefusedError(400, "This value must be between 1 and 100.")
    return limit


def _is_wanted(one: Json, request: Request) -> bool:
    """Whether an object is in the list that a request asks for."""
    compare: dict[str, Callable[[int, int], bool]] = {
        "created": lambda created, bound: created == bound,
        "created[gte]": lambda created, bound: created >= bound,
        "created[gt]": lambda created, bound: created > bound,
        "created[lte]": lambda created, bound: created <= bound,
        "created[lt]": lambda created, bound: created < bound,
    }
    for name, value in request.params:
        if name in compare and not compare[name](one["created"], int(value)):
            return False
        if name == "delivery_success" and (one["pending_webhooks"] == 0) != (value == "true"):
            return False
        fields = ("charge", "payment_intent", "customer", "status", "source", "currency")
        if name in fields and one[name] != value:
            return False
    types = request.all("types") + request.all("type")
    return not types or any(
        one["type"] == wanted or (wanted.endswith("*") and one["type"].startswith(wanted[:-1]))
        for wanted in types
    )
