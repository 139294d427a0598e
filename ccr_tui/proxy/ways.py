"""The way to a provider: straight, or through which proxy.

Owns the order of what is said about proxies: the provider's own, PROXY_URL, the environment. Must never open anything.
The one surprise: loopback never goes through a proxy, whoever says so, because local models are behind none.
"""

from __future__ import annotations

import ipaddress
import urllib.request
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import urlsplit


def way_out(url: str, proxy: str | None, env: Mapping[str, str]) -> str:
    """The URL of the proxy that leads to `url`, "" for none.

    `proxy` is the provider's or the config's own; "" forbids one, None leaves it to the environment.
    """
    if is_loopback(host_of(url)):
        return ""
    return environment_proxy(url, env) if proxy is None else proxy


def environment_proxy(url: str, env: Mapping[str, str]) -> str:
    """HTTP(S)_PROXY, ALL_PROXY and NO_PROXY of `env`; where it has none, as the standard library finds them."""
    parts, own = urlsplit(url), proxies_in(env)
    known = own if own.keys() - {"no"} else urllib.request.getproxies() | own
    if urllib.request.proxy_bypass_environment(parts.netloc.rpartition("@")[2], known):  # type: ignore[attr-defined]
        return ""
    if known is not own and urllib.request.proxy_bypass(parts.hostname or ""):
        return ""
    found: str = known.get(parts.scheme) or known.get("all") or ""
    return found if "://" in found or not found else f"http://{found}"


def proxies_in(env: Mapping[str, str]) -> dict[str, str]:
    """The variables that end in _proxy, by what stands before it; lower case goes before upper case."""
    ordered = sorted(env.items(), key=lambda item: item[0].islower())
    return {name[:-6].lower(): value for name, value in ordered if name.lower().endswith("_proxy") and value}


@lru_cache(maxsize=256)
def host_of(url: str) -> str:
    """The host's name or address, in small letters; "" without one."""
    return urlsplit(url).hostname or ""


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
