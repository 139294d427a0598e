"""Others' packages, imported without what they do on import and nobody here needs at once.

Owns `imports`, for the first import of the proxy, and `settle`, which makes good afterwards what was put off. Must
never leave a package different from how it would have been: what is put off is done, or stands in nobody's way. The one
surprise is where the time goes (CPU on a core of 3 GHz): aiohttp reads the certificates of the system twice when it is
imported (70 ms) though ours are read by httpx; httpx imports rich and pygments for its own command line (50 ms); and
aiohttp's file server reads the table of MIME types (20 ms) though no file is served.
"""

from __future__ import annotations

import gc
import mimetypes
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

CERTIFICATES = ("load_default_certs", "set_default_verify_paths")
"""How an SSLContext is made to read the system's."""
_owed: list[Callable[[], object]] = []


@contextmanager
def imports() -> Iterator[None]:
    """While others' packages are imported, in a program that has one thread so far.

    What is imported stays, so nobody looks whether it is garbage, neither now (0.1 s) nor later.
    """
    gc.disable()
    with ExitStack() as restored:
        restored.callback(gc.enable)
        restored.callback(gc.freeze)
        if "httpx" not in sys.modules:
            sys.modules["httpx._main"] = None  # type: ignore[assignment]  # what httpx takes for "not installed"
            restored.callback(sys.modules.pop, "httpx._main", None)
        for name in CERTIFICATES:
            real = getattr(ssl.SSLContext, name)
            setattr(ssl.SSLContext, name, _putting_off(real))
            restored.callback(setattr, ssl.SSLContext, name, real)
        if not mimetypes.inited:
            restored.callback(setattr, mimetypes, "knownfiles", mimetypes.knownfiles)
            restored.callback(setattr, mimetypes, "inited", False)
            mimetypes.knownfiles = []
        yield


def _putting_off(real: Callable[..., Any]) -> Callable[..., None]:
    def put_off(*args: Any, **named: Any) -> None:
        _owed.append(lambda: real(*args, **named))

    return put_off


def settle() -> None:
    """Read what was put off: a user's own router may call on aiohttp itself. Any thread; OpenSSL lets go of the GIL."""
    while _owed:
        _owed.pop()()
