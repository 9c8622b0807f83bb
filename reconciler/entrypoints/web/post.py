"""Takes a POST of a reviewer: it is checked before it is read, and read before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qs

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from reconciler.entrypoints.web.call import View, WrongAddressError
from reconciler.entrypoints.web.decisions import (
    NotAllowedError,
    OldPageError,
    decide,
    preview,
    read_given,
    safe_back,
)
from reconciler.entrypoints.web.identity import Reader
from reconciler.entrypoints.web.page_token import PageTokens, is_same_origin
from reconciler.entrypoints.web.refusal import REFUSALS, refused
from reconciler.entrypoints.web.tables import with_value
from reconciler.errors import ReconcilerError
from reconciler.wiring.web_records import WebRecords

LARGEST_BODY: Final = 128 * 1024
MOST_FIELDS: Final = 600
_CONTENT_TYPE: Final = "application/x-www-form-urlencoded"
_log = structlog.get_logger()

Render = Callable[[View, Request, Reader], Response]


def decision_endpoint(
    records: WebRecords,
    tokens: PageTokens,
    reader_of: Callable[[Request], Reader],
    render: Render,
) -> Callable[[Request], Any]:
    """The endpoint of every decision."""

    async def endpoint(request: Request) -> Response:
        reader, values = await checked_post(request, tokens, reader_of)
        return await run_in_threadpool(_answer, request, reader, values)

    def _answer(request: Request, reader: Reader, values: Mapping[str, Sequence[str]]) -> Response:
        try:
            given = read_given(values)
            if not given.is_confirmed:
                return render(preview(records, given), request, reader)
            decide(records, given, reader)
        except REFUSALS as error:
            back = safe_back((values.get("back") or ("",))[0])
            return refuse(error, render, refused(error, values, "/decide", back), request, reader)
        records.forget_figures()
        _log.info("web.decision", actor=reader.actor, decision=given.decision.value, ids=given.ids)
        return RedirectResponse(
            with_value(given.back, "done", given.decision.value), status_code=303
        )

    return endpoint


def refuse(
    error: ReconcilerError, render: Render, view: View, request: Request, reader: Reader
) -> Response:
    """The answer of a refused decision. A database that is gone is logged, and may be tried again."""
    answer = render(view, request, reader)
    if view.status == HTTPStatus.SERVICE_UNAVAILABLE:
        _log.error("web.database", error=str(error))
        answer.headers["Retry-After"] = "10"
    return answer


async def checked_post(
    request: Request, tokens: PageTokens, reader_of: Callable[[Request], Reader]
) -> tuple[Reader, Mapping[str, Sequence[str]]]:
    """The reviewer who sends a POST, and its fields. Raises NotAllowedError if it may not be, and WrongAddressError."""
    reader = await run_in_threadpool(reader_of, request)
    raise_if_foreign(request, reader)
    values = await read_body(request)
    if not tokens.is_right(reader, (values.get("token") or ("",))[0]):
        raise OldPageError((values.get("note") or ("",))[0])
    return reader, values


def raise_if_foreign(request: Request, reader: Reader) -> None:
    """Raises NotAllowedError if a viewer sends it, or a page of another origin."""
    headers = request.headers
    if not is_same_origin(
        headers.get("origin"), headers.get("host"), headers.get("sec-fetch-site")
    ):
        _log.warning("web.foreign_post", actor=reader.actor)
        raise NotAllowedError(
            "This request does not come from these pages.",
            "A reverse proxy must keep the browser's Host header unchanged.",
        )
    if not reader.may_review:
        raise NotAllowedError(
            "With the role viewer you may read, but not decide.",
            "Ask for the role reviewer. The role of each person is set in web.users_file.",
        )


async def read_body(request: Request) -> Mapping[str, Sequence[str]]:
    """The fields of a POST. Raises WrongAddressError if it is too large or of another type."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != _CONTENT_TYPE:
        raise WrongAddressError(
            "The content type of this request is not that of a form of these pages.", ""
        )
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise WrongAddressError(
                "The form that was sent is too large.", "Choose fewer, or write less."
            )
    try:
        return parse_qs(
            body.decode("utf-8"),
            keep_blank_values=True,
            max_num_fields=MOST_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise WrongAddressError("The form that was sent cannot be read.", "") from None
