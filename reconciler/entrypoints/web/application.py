"""The web application: who may see which page, and what becomes of every request and error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import structlog
from jinja2 import Environment
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import Route

from reconciler.clock import Clock
from reconciler.entrypoints.web.call import (
    Call,
    NotFoundError,
    PageFunction,
    View,
)
from reconciler.entrypoints.web.close_post import close_endpoint
from reconciler.entrypoints.web.decisions import (
    DONE,
    NotAllowedError,
    OldPageError,
)
from reconciler.entrypoints.web.downloads import download
from reconciler.entrypoints.web.files import FilesBusyError, PeriodFiles, WriteFile
from reconciler.entrypoints.web.identity import (
    Credentials,
    ForgedHeaderError,
    Identification,
    NotLoggedInError,
    Reader,
    TooManyTriesError,
)
from reconciler.entrypoints.web.page_token import PageTokens
from reconciler.entrypoints.web.pages.closed_periods import ADDRESS, closed_periods
from reconciler.entrypoints.web.pages.discrepancies import discrepancies
from reconciler.entrypoints.web.pages.kinds import kinds
from reconciler.entrypoints.web.pages.ledger import ledger
from reconciler.entrypoints.web.pages.overview import overview
from reconciler.entrypoints.web.pages.payment import payment
from reconciler.entrypoints.web.pages.statement import statement
from reconciler.entrypoints.web.pages.sweeps import sweeps
from reconciler.entrypoints.web.post import decision_endpoint
from reconciler.entrypoints.web.response_headers import ResponseHeaders
from reconciler.entrypoints.web.tables import address
from reconciler.entrypoints.web.templating import environment
from reconciler.errors import (
    DatabaseBusyError,
    DatabaseRefusedError,
    DatabaseUnavailableError,
    ReconcilerError,
    UsageError,
)
from reconciler.settings import Settings
from reconciler.wiring.web_records import WebRecords

STATIC: Final = Path(__file__).with_name("static")
PAGES: Final[tuple[tuple[str, str, PageFunction], ...]] = (
    ("/", "Overview", overview),
    ("/discrepancies", "Discrepancies", discrepancies),
    ("/statement", "Statement and close", statement),
    ("/ledger", "Ledger", ledger),
    ("/sweeps", "Sweeps", sweeps),
    ("/kinds", "What each kind means", kinds),
)
"""The pages of the menu, in its order."""
_LOOPBACK: Final = {"127.0.0.1", "::1", "localhost"}
_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Site:
    """What every request needs."""

    records: WebRecords
    settings: Settings
    clock: Clock
    identification: Identification
    tokens: PageTokens
    templates: Environment
    fixed_reader: Reader | None = None
    """The person of every request, for tests and benchmarks alone; None: each request says who sends it."""


def application(
    records: WebRecords,
    settings: Settings,
    clock: Clock,
    identification: Identification,
    write_file: WriteFile,
    fixed_reader: Reader | None = None,
) -> ResponseHeaders:
    """The application, with its response headers. ``write_file`` writes the files of a period."""
    site = Site(records, settings, clock, identification, PageTokens(), environment(), fixed_reader)
    routes = [Route(path, _page(site, page), methods=["GET"]) for path, _, page in PAGES]
    routes += [
        Route("/statement/file", _file(site, PeriodFiles(write_file)), methods=["GET"]),
        Route(ADDRESS, _page(site, closed_periods), methods=["GET"]),
        Route("/payment", _page(site, payment), methods=["GET"]),
        Route("/discrepancies/{number:int}", _discrepancy(site), methods=["GET"]),
        Route("/style.css", _style_sheet, methods=["GET"]),
        Route("/close", _close(site), methods=["POST"]),
        Route("/decide", _decisions(site), methods=["POST"]),
        Route("/healthz", _health, methods=["GET"]),
    ]
    made = Starlette(
        routes=routes,
        exception_handlers={
            HTTPException: _on_http_error(site),
            NotLoggedInError: _on_no_login(site),
            TooManyTriesError: _on_too_many_tries(site),
            ForgedHeaderError: _on_forged_header(site),
            ReconcilerError: _on_error(site),
            Exception: _on_bug(site),
        },
    )
    return ResponseHeaders(made)


def _decisions(site: Site) -> Callable[[Request], Any]:
    return decision_endpoint(
        site.records, site.tokens, partial(reader_of, site), partial(rendered, site)
    )


def _close(site: Site) -> Callable[[Request], Any]:
    return close_endpoint(
        site.records,
        site.settings,
        site.clock,
        site.tokens,
        partial(reader_of, site),
        partial(rendered, site),
    )


Endpoint = Callable[[Request], Response]


def reader_of(site: Site, request: Request) -> Reader:
    """Who sends a request. Raises NotLoggedInError, TooManyTriesError or ForgedHeaderError."""
    if site.fixed_reader is not None:
        # a foreign page could give its own name this machine's address, and read on
        if request.url.hostname not in _LOOPBACK:
            raise HTTPException(HTTPStatus.MISDIRECTED_REQUEST)
        return site.fixed_reader
    header = site.identification.user_header
    given = Credentials(
        peer="" if request.client is None else request.client.host,
        named=[] if header is None else request.headers.getlist(header),
        authorization=request.headers.get("authorization"),
    )
    return site.identification.reader(given)


def _page(site: Site, page: PageFunction) -> Endpoint:
    def endpoint(request: Request) -> Response:
        reader = reader_of(site, request)
        view = page(_call(site, request, reader))
        wanted = request.query_params.get("download")
        if wanted is not None:
            return download(view.table(wanted), request.query_params.get("format", "csv"))
        return rendered(site, view, request, reader)

    return endpoint


def _call(site: Site, request: Request, reader: Reader) -> Call:
    return Call(
        site.records,
        site.settings,
        site.clock,
        reader,
        request.query_params,
        request.path_params,
    )


def _file(site: Site, files: PeriodFiles) -> Endpoint:
    def endpoint(request: Request) -> Response:
        return files.answer(_call(site, request, reader_of(site, request)))

    return endpoint


def _discrepancy(site: Site) -> Endpoint:
    """The address of a discrepancy by its number, as messages and files name it, leads to its payment."""

    def endpoint(request: Request) -> Response:
        reader_of(site, request)
        number = request.path_params["number"]
        found = site.records.payment_of_discrepancy(number) if number < 2**63 else None
        if found is None:
            raise NotFoundError(f"There is no discrepancy {number}.", "")
        account, name = found
        return RedirectResponse(address("/payment", account=account, name=name), status_code=303)

    return endpoint


def rendered(site: Site, view: View, request: Request, reader: Reader | None) -> Response:
    """A page as HTML."""
    template = site.templates.get_template(view.template)
    html = template.render(
        title=view.title,
        menu=[(path, name) for path, name, _ in PAGES],
        path=request.url.path,
        query=request.query_params,
        reader=reader,
        done=DONE.get(request.query_params.get("done", "")),
        token="" if reader is None else site.tokens.token(reader),
        tables={table.name: table for table in view.tables},
        now=site.clock.now(),
        here=f"{request.url.path}?{request.url.query}" if request.url.query else request.url.path,
        **view.values,
    )
    return HTMLResponse(html, status_code=view.status)


def _message(
    site: Site, request: Request, status: HTTPStatus, what: str, hint: str = "", written: str = ""
) -> Response:
    view = View(
        "message.html",
        status.phrase,
        {"what": what, "hint": hint, "code": status.value, "written": written},
        (),
        status,
    )
    return rendered(site, view, request, None)


Handler = Callable[[Request, Exception], Response]


def _on_http_error(site: Site) -> Handler:
    def handle(request: Request, error: Exception) -> Response:
        status = HTTPStatus(error.status_code if isinstance(error, HTTPException) else 500)
        what = (
            "There is no such page."
            if status is HTTPStatus.NOT_FOUND
            else "This address does not accept this method of request."
        )
        return _message(site, request, status, what)

    return handle


def _on_no_login(site: Site) -> Handler:
    def handle(request: Request, _error: Exception) -> Response:
        what = "Log in to see this page."
        answer = _message(site, request, HTTPStatus.UNAUTHORIZED, what)
        answer.headers["WWW-Authenticate"] = 'Basic realm="Reconciler", charset="UTF-8"'
        return answer

    return handle


def _on_too_many_tries(site: Site) -> Handler:
    def handle(request: Request, error: Exception) -> Response:
        seconds = error.seconds if isinstance(error, TooManyTriesError) else 60
        _log.warning("web.password_tries", peer=_peer(request), seconds=seconds)
        what = f"Too many wrong passwords. Try again in {seconds} seconds."
        answer = _message(site, request, HTTPStatus.TOO_MANY_REQUESTS, what)
        answer.headers["Retry-After"] = str(seconds)
        return answer

    return handle


def _on_forged_header(site: Site) -> Handler:
    def handle(request: Request, _error: Exception) -> Response:
        _log.warning("web.forged_header", peer=_peer(request))
        what = "This request names a person, but it does not come from an address in web.trusted_proxies."
        return _message(site, request, HTTPStatus.FORBIDDEN, what)

    return handle


def _on_error(site: Site) -> Handler:
    def handle(request: Request, error: Exception) -> Response:
        what = error.what if isinstance(error, ReconcilerError) else ""
        hint = error.hint if isinstance(error, ReconcilerError) else ""
        match error:
            case DatabaseUnavailableError() | DatabaseBusyError() | DatabaseRefusedError():
                _log.error("web.database", error=str(error))
                answer = _message(site, request, HTTPStatus.SERVICE_UNAVAILABLE, what, hint)
                answer.headers["Retry-After"] = "10"
                return answer
            case FilesBusyError():
                answer = _message(site, request, HTTPStatus.SERVICE_UNAVAILABLE, what, hint)
                answer.headers["Retry-After"] = "60"
                return answer
            case OldPageError():
                return _message(site, request, HTTPStatus.FORBIDDEN, what, hint, error.written)
            case NotAllowedError():
                return _message(site, request, HTTPStatus.FORBIDDEN, what, hint)
            case NotFoundError():
                return _message(site, request, HTTPStatus.NOT_FOUND, what, hint)
            case UsageError():
                return _message(site, request, HTTPStatus.BAD_REQUEST, what, hint)
            case _:
                _log.error("web.error", error=str(error))
                return _message(site, request, HTTPStatus.INTERNAL_SERVER_ERROR, what, hint)

    return handle


def _on_bug(site: Site) -> Handler:
    def handle(request: Request, _error: Exception) -> Response:
        what = "This is a bug in Reconciler. Its log has the details."
        return _message(site, request, HTTPStatus.INTERNAL_SERVER_ERROR, what)

    return handle


def _peer(request: Request) -> str:
    return "" if request.client is None else request.client.host


def _style_sheet(_request: Request) -> Response:
    return FileResponse(STATIC / "style.css", media_type="text/css")


def _health(_request: Request) -> Response:
    return PlainTextResponse("ok\n")
