"""Serves the finance pages until the process is asked to end."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

import uvicorn

from reconciler.clock import Clock
from reconciler.entrypoints.web.application import application
from reconciler.entrypoints.web.files import WriteFile
from reconciler.entrypoints.web.identity import Identification, User
from reconciler.entrypoints.web.passwords import Passwords
from reconciler.entrypoints.web.response_headers import ResponseHeaders
from reconciler.entrypoints.web.users_file import read_users
from reconciler.errors import ConfigurationError, ConfigurationFault
from reconciler.settings import Settings, WebSection, key_path
from reconciler.wiring.web_records import open_web_records

MOST_CONNECTIONS: Final = 64
IDLE_SECONDS: Final = 5
STOP_SECONDS: Final = 3
LARGEST_HEADERS: Final = 16_384


def identification(settings: Settings, environ: dict[str, str], clock: Clock) -> Identification:
    """Who may see the pages, by the configuration. Raises ConfigurationError with every fault."""
    web = settings.web
    faults = _faults(web)
    if faults:
        raise ConfigurationError(tuple(faults))
    users: tuple[User, ...] = ()
    if web.users_file is not None:
        users = read_users(key_path(web.users_file, environ, settings.source))
    return Identification(users, web.user_header, web.trusted_proxies, Passwords(clock))


def _faults(web: WebSection) -> list[ConfigurationFault]:
    faults = []
    if web.users_file is None and web.user_header is None:
        faults.append(
            ConfigurationFault(
                "web.users_file is missing: no person could log in.",
                "Set web.users_file to a file with a line for each person, or set web.user_header to the header of your reverse proxy.",
            )
        )
    if (web.user_header is None) != (not web.trusted_proxies):
        faults.append(
            ConfigurationFault(
                "Only one of web.user_header and web.trusted_proxies is set. Without trusted proxies, every program could send the header.",
                "Set both, or neither.",
            )
        )
    if not web.listen:
        faults.append(
            ConfigurationFault("web.listen is empty.", 'Write an address such as "127.0.0.1:9465".')
        )
    elif not _is_loopback(web.listen) and not web.trusted_proxies:
        faults.append(
            ConfigurationFault(
                "Other machines can reach the address in web.listen, so passwords would cross the network in plain text.",
                "If the reverse proxy with TLS is on this machine, listen on 127.0.0.1. If the proxy is on another machine, set web.trusted_proxies to its address, and web.user_header to the header in which the proxy names the person.",
            )
        )
    return faults


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    settings: Settings,
    clock: Clock,
    who: Identification,
    write_file: WriteFile,
    said: Callable[[str], None],
) -> None:
    """Serve the pages until a signal ends it. ``said`` gets the address once the port is open.

    Raises ConfigurationError if the port cannot be opened, and what the database raises.
    """
    with open_web_records(settings, clock) as records, _listening(settings.web.listen) as listener:
        app = application(records, settings, clock, who, write_file)
        host, port = listener.getsockname()[:2]
        said(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
        _run(app, listener)


def _run(app: ResponseHeaders, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
        h11_max_incomplete_event_size=LARGEST_HEADERS,
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listening(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, int(port)))
        listener.listen(MOST_CONNECTIONS)
    except OSError as error:
        listener.close()
        fault = ConfigurationFault(
            f"web.listen: {listen} cannot be opened ({error.strerror}).",
            "Set another port as listen in [web], or end the program that uses this port.",
        )
        raise ConfigurationError((fault,)) from None
    return listener
