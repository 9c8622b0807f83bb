"""The proxy of the environment for an address: ``https_proxy``, ``http_proxy``, ``all_proxy`` and ``no_proxy``."""

from __future__ import annotations

from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore

from reconciler.errors import ConfigurationError, ConfigurationFault

_PORTS: Final = {"http": 80, "https": 443}


def proxy_of(address: SplitResult) -> httpcore.Proxy | None:
    """The proxy to use for an http or https address, None if there is none.

    Raises ConfigurationError, which repeats nothing of it, for a proxy that is not an http or https URL.
    """
    variables = getproxies()
    named = variables.get(address.scheme) or variables.get("all")
    if not named or proxy_bypass(address.hostname or ""):
        return None
    try:
        return _proxy(urlsplit(named if "://" in named else f"http://{named}"))
    except ValueError:
        pass
    name = f"{address.scheme}_proxy" if variables.get(address.scheme) else "all_proxy"
    what = f"The proxy in the environment variable {name} cannot be used."
    hint = 'Write it as "http://host:port" or "https://host:port". Other sorts of proxy are not supported.'
    raise ConfigurationError((ConfigurationFault(what, hint),))


def _proxy(parts: SplitResult) -> httpcore.Proxy:
    """Raises ValueError for another scheme, a port that is no port, or no host."""
    if parts.scheme not in _PORTS or not parts.hostname:
        raise ValueError
    url = httpcore.URL(
        scheme=parts.scheme.encode(),
        host=parts.hostname.encode("idna"),
        port=parts.port or _PORTS[parts.scheme],
        target=b"/",
    )
    if parts.username is None:
        return httpcore.Proxy(url)
    login = unquote(parts.username).encode(), unquote(parts.password or "").encode()
    return httpcore.Proxy(url, auth=login)
