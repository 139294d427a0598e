"""Proxies on the way to a provider: which one is taken, and that the request really goes through it.

The upstream is called by a name that only the test's proxies know, so an answer proves the way; loopback is asked
directly, whatever is set.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clients import ask
from places import KEY, Place, closed_port
from ways import HttpProxy, SilentProxy, SocksProxy, TlsFront, certificate

from ccr_tui import assembly
from ccr_tui.config import Config, Model, Provider
from ccr_tui.proxy import exchange
from ccr_tui.proxy.collector import Collector
from ccr_tui.proxy.upstream import Upstreams
from ccr_tui.proxy.ways import way_out
from ccr_tui.records import Trace

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOST = "upstream.ccr-tui.test"
DIRECT = ""


# ---------------------------------------------------------------- which way is taken


FAR, TLS, HERE = f"http://{HOST}/v1", f"https://{HOST}:8443/v1", "http://127.0.0.1:8080/v1"


@pytest.mark.parametrize(
    ("url", "proxy", "env", "way"),
    [
        pytest.param(FAR, None, {}, DIRECT, id="nothing is set"),
        pytest.param(FAR, "http://own:1", {}, "http://own:1", id="the config's or the provider's own"),
        pytest.param(FAR, "http://own:1", {"HTTP_PROXY": "http://env:2"}, "http://own:1", id="own before environment"),
        pytest.param(FAR, "", {"HTTP_PROXY": "http://env:2"}, DIRECT, id="none, said so"),
        pytest.param(FAR, None, {"HTTP_PROXY": "http://env:2"}, "http://env:2", id="HTTP_PROXY"),
        pytest.param(
            FAR, None, {"http_proxy": "http://low:2", "HTTP_PROXY": "http://up:2"}, "http://low:2", id="lower"
        ),
        pytest.param(FAR, None, {"HTTPS_PROXY": "http://env:2"}, DIRECT, id="HTTPS_PROXY is for https"),
        pytest.param(TLS, None, {"HTTPS_PROXY": "http://env:2"}, "http://env:2", id="HTTPS_PROXY"),
        pytest.param(TLS, None, {"ALL_PROXY": "socks5://env:3"}, "socks5://env:3", id="ALL_PROXY"),
        pytest.param(TLS, None, {"ALL_PROXY": "socks5://a:3", "HTTPS_PROXY": "http://b:2"}, "http://b:2", id="its own"),
        pytest.param(FAR, None, {"HTTP_PROXY": "env:2"}, "http://env:2", id="without a scheme, as curl takes it"),
        pytest.param(FAR, None, {"HTTP_PROXY": "http://env:2", "NO_PROXY": HOST}, DIRECT, id="NO_PROXY"),
        pytest.param(FAR, None, {"HTTP_PROXY": "http://env:2", "NO_PROXY": ".test"}, DIRECT, id="NO_PROXY, a suffix"),
        pytest.param(FAR, None, {"HTTP_PROXY": "http://env:2", "no_proxy": "*"}, DIRECT, id="NO_PROXY, everything"),
        pytest.param(TLS, None, {"ALL_PROXY": "http://env:2", "NO_PROXY": f"{HOST}:8443"}, DIRECT, id="and a port"),
        pytest.param(FAR, None, {"HTTP_PROXY": "http://env:2", "NO_PROXY": "other.test"}, "http://env:2", id="another"),
        pytest.param(HERE, "http://own:1", {"HTTP_PROXY": "http://env:2"}, DIRECT, id="127.0.0.1"),
        pytest.param("http://[::1]:8080/v1", "http://own:1", {}, DIRECT, id="::1"),
        pytest.param("http://127.8.8.8/v1", "http://own:1", {}, DIRECT, id="all of 127"),
        pytest.param("http://localhost:8080/v1", "http://own:1", {}, DIRECT, id="localhost"),
    ],
)
async def test_the_way(
    url: str, proxy: str | None, env: dict[str, str], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_proxies(monkeypatch)
    assert way_out(url, proxy, env) == way


async def test_the_process_s_own_environment_counts_where_none_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_proxies(monkeypatch)
    monkeypatch.setenv("HTTP_PROXY", "http://process:4")
    assert way_out(FAR, None, {}) == "http://process:4"
    monkeypatch.setenv("NO_PROXY", HOST)
    assert way_out(FAR, None, {}) == DIRECT


def forget_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# ---------------------------------------------------------------- that it is gone


async def answered(place: Place, config: Config, **more: Any) -> tuple[Collector, Trace]:
    """One request by an exchange whose connections are all new."""
    client, upstreams = Collector(), Upstreams()
    context = replace(place.house.engine.context, config=config, upstreams=upstreams)
    try:
        trace = await exchange.run(json.dumps(ask("text", **more)).encode(), client, context)
    finally:
        await upstreams.close()
    return client, trace


def config_of(upstream_port: int, scheme: str = "http", host: str = HOST, **more: Any) -> Config:
    given = {name: more.pop(name) for name in ("provider_proxy",) if name in more}
    provider = Provider(
        "far", "openai", f"{scheme}://{host}:{upstream_port}/v1", api_key=KEY, proxy=given.get("provider_proxy")
    )
    return Config(providers={"far": provider}, models={"m": Model("m", "far", "m")}, agents={"default": ("m",)}, **more)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("user", [None, "me:secret"], ids=["open", "with a password"])
@pytest.mark.parametrize("kind", [HttpProxy, SocksProxy], ids=["http", "socks5"])
@pytest.mark.parametrize("where", ["PROXY_URL", "environment", "provider"])
async def test_a_request_goes_through_the_proxy(
    where: str, kind: type[HttpProxy | SocksProxy], user: str | None, stream: bool, place: Place, tmp_path: Path
) -> None:
    assert place.upstream
    async with kind(user) as way, HttpProxy() as wrong:
        if where == "PROXY_URL":
            found = assembly.load({"config": None}, {**quiet(tmp_path), "PROXY_URL": way.url}, tmp_path)
            config = config_of(place.upstream.port, proxy=found.proxy)
        elif where == "environment":
            config = config_of(place.upstream.port, env={"ALL_PROXY": way.url})
        else:
            config = config_of(place.upstream.port, proxy=wrong.url, provider_proxy=way.url)
        client, trace = await answered(place, config, stream=stream)
        assert (client.status, trace.outcome) == (200, "ok")
        seen = {HttpProxy: f"POST http://{HOST}:{place.upstream.port}/v1/chat/completions",
                SocksProxy: f"SOCKS {HOST}:{place.upstream.port}"}  # fmt: skip
        assert (way.seen, wrong.seen) == ([seen[kind]], [])
        assert place.upstream.last.headers["authorization"] == f"Bearer {KEY}"
        assert "proxy-authorization" not in place.upstream.last.headers


def quiet(folder: Path) -> dict[str, str]:
    return {"CCR_TUI_CONFIG": str(folder / "config.toml"), "CCR_TUI_DB": str(folder / "ccr.db")}


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
@pytest.mark.parametrize("kind", [HttpProxy, SocksProxy], ids=["http", "socks5"])
async def test_https_goes_through_a_tunnel(
    kind: type[HttpProxy | SocksProxy], place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert place.upstream
    file = certificate(tmp_path, HOST)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    async with TlsFront(place.upstream.port, file) as front, kind() as way:
        config = config_of(front.port, "https", env={"HTTPS_PROXY": way.url})
        client, _ = await answered(place, config, stream=True)
        assert client.status == 200
        assert way.seen == [f"{'CONNECT' if kind is HttpProxy else 'SOCKS'} {HOST}:{front.port}"]
        assert front.seen == ["TLS"]


@pytest.mark.parametrize("kind", [HttpProxy, SocksProxy], ids=["http", "socks5"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_never_goes_through_a_proxy(host: str, kind: type[HttpProxy | SocksProxy], place: Place) -> None:
    assert place.upstream
    async with kind() as way:
        env = {"ALL_PROXY": way.url, "HTTP_PROXY": way.url}
        config = config_of(place.upstream.port, host=host, proxy=way.url, provider_proxy=way.url, env=env)
        client, _ = await answered(place, config)
        assert (client.status, way.seen) == (200, [])


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "plain"])
@pytest.mark.parametrize("kind", [HttpProxy, SocksProxy], ids=["http", "socks5"])
async def test_a_proxy_that_does_not_let_us_through_is_named_and_its_password_is_not(
    kind: type[HttpProxy | SocksProxy], stream: bool, place: Place
) -> None:
    assert place.upstream
    before = len(place.upstream.requests)
    async with kind("me:secret") as way:
        wrong = way.url.replace("secret", "not-the-secret")
        client, trace = await answered(place, config_of(place.upstream.port, proxy=wrong), stream=stream)
        assert (way.refused > 0, way.seen, len(place.upstream.requests)) == (True, [], before)
    told = json.loads(bytes(client.data))["error"]["message"]
    assert client.status in (407, 502)
    assert "proxy" in told.lower() and "not-the-secret" not in told
    assert trace.failure and trace.failure.message == told


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_not_there_is_an_error_that_names_it(scheme: str, place: Place) -> None:
    assert place.upstream
    config = config_of(place.upstream.port, env={"HTTP_PROXY": f"{scheme}://127.0.0.1:{closed_port()}"})
    client, _ = await answered(place, config)
    told = json.loads(bytes(client.data))["error"]["message"]
    assert client.status == 502
    assert "far" in told


async def test_a_proxy_of_an_unknown_kind_is_an_error_with_a_cure(place: Place) -> None:
    assert place.upstream
    config = config_of(place.upstream.port, env={"HTTP_PROXY": "socks4://127.0.0.1:9"})
    client, _ = await answered(place, config)
    told = json.loads(bytes(client.data))["error"]["message"]
    assert (client.status, "socks5://" in told, "HTTPS_PROXY" in told) == (502, True, True)


@pytest.mark.parametrize(("proxy", "scheme"), [("http", "https"), ("socks5", "http")])
async def test_a_proxy_that_stays_silent_is_given_up(proxy: str, scheme: str, place: Place) -> None:
    async with SilentProxy() as way:
        config = config_of(9, scheme, proxy=f"{proxy}://127.0.0.1:{way.port}", timeout_s=0.2, connect_timeout_s=0.2)
        client, _ = await answered(place, config)
        assert (client.status, way.seen) == (504, ["bytes"])
    assert b"timeout_s" in bytes(client.data)
