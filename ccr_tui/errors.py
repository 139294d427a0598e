"""Every error that can reach the client or the person at the keyboard, as one tree.

    CcrError                    a sentence fit to show; everything below is one
    ├── ConfigError             config.toml, environment or flag is wrong; names the key
    ├── StoreError              the database refuses; names the file
    └── ProxyError              has an HTTP status and Anthropic's error type
        ├── BadRequest          400 invalid_request_error: the client's body
        ├── NotAllowed          401/403: our own key, Host or Origin check
        ├── NotFound            404: unknown path or model
        ├── TooLarge            413 request_too_large
        ├── UpstreamRefused     the provider answered with an error status (true status and type kept)
        ├── UpstreamUnreachable refused, DNS, TLS, proxy: no response came
        ├── UpstreamTimeout     504: connect, first byte or idle deadline
        └── UpstreamBroken      the response was cut, stalled or malformed

Must never carry a credential. The one surprise: `should_retry=False` becomes the header `x-should-retry: false`,
because Claude Code retries even a 401 ten times (measured with 2.1.330).
"""

from __future__ import annotations

from ccr_tui.records import Failure, Json


class CcrError(Exception):
    """A sentence fit to show the person at the keyboard: what, where, and what to do."""


class ConfigError(CcrError):
    """The configuration is wrong. `problems` lists every one found, each naming its key."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class StoreError(CcrError):
    """The trace database cannot be read or written; the message names the file and the cure."""


class ProxyError(CcrError):
    """An error with what the wire needs. `retry_after` is in seconds, passed on as it came."""

    status = 500
    type = "api_error"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        type: str | None = None,
        should_retry: bool | None = None,
        retry_after: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status or self.status
        self.type = type or self.type
        self.should_retry = should_retry
        self.retry_after = retry_after
        self.elsewhere = False
        """Whether another provider may well answer what this one refuses."""
        self.details: Json = None
        """What an Anthropic upstream's error says beside type and message; clients branch on its `error_code`."""

    @property
    def failure(self) -> Failure:
        """The same as a record."""
        return Failure(self.status, self.type, self.message, self.should_retry)


class BadRequest(ProxyError):
    """The client's body is not a Messages API request."""

    status = 400
    type = "invalid_request_error"


class NotAllowed(ProxyError):
    """The client did not present our key, or came from a web page."""

    status = 401
    type = "authentication_error"


class NotFound(ProxyError):
    """No such path, or no such model."""

    status = 404
    type = "not_found_error"


class TooLarge(ProxyError):
    """The body is over the limit of 64 MiB."""

    status = 413
    type = "request_too_large"


class UpstreamRefused(ProxyError):
    """The provider answered with an error status."""

    status = 502


class UpstreamUnreachable(ProxyError):
    """No response came: connection refused, DNS, TLS or proxy trouble."""

    status = 502


class UpstreamTimeout(ProxyError):
    """A deadline passed: connecting, first byte, or silence in mid-stream."""

    status = 504
    type = "timeout_error"


class UpstreamBroken(ProxyError):
    """The response began, and then was cut, stalled or made no sense."""

    status = 502
