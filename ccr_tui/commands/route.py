"""`ccr-tui route`: which model would answer a request, and why; nothing is sent.

Owns how one request body is read and how the decision is shown. Must never ask a provider, but for the router model
where --ask is given. The one surprise: the user's own Python file is really run, and tokens are really counted, because
a live request takes the same path.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ccr_tui.commands.common import (
    as_json,
    database,
    load,
    log_beside,
    narrate,
    print_json,
    reader,
    safe,
    settings,
    table,
)
from ccr_tui.config import Config
from ccr_tui.errors import CcrError, StoreError
from ccr_tui.records import Json, RouteDecision

if TYPE_CHECKING:
    from ccr_tui.proxy.question import Question


ASKED_ONLY = "the router is asked only with --ask"


@click.command()
@click.argument("file", required=False, metavar="[FILE|-]")
@click.option("--trace", metavar="ID", help="A recorded request instead of a file.")
@click.option("--header", "-H", "lines", multiple=True, metavar="NAME:VALUE", help="A header that comes with it.")
@click.option("--explain", is_flag=True, help="Every rule that was considered, and why it passed.")
@click.option("--ask", is_flag=True, help="Also ask the router model, where it would be asked: one paid question.")
@settings
@as_json
def route(
    flags: Mapping[str, str],
    file: str | None,
    trace: str | None,
    lines: tuple[str, ...],
    explain: bool,
    ask: bool,
    as_json: bool,
) -> None:
    """Say which model would answer a request, and why.

    FILE holds the body of one request to /v1/messages; - is standard input. Nothing is sent to anybody but, with --ask,
    to the router.
    """
    if (file is None) == (trace is None):
        raise click.UsageError("name a FILE (- is standard input) or a --trace, one of them")
    own, config = dict(map(_header, lines)), load(flags)
    body, headers = _stored(flags, trace) if trace else (_read(str(file)), {})
    question = asyncio.run(_question(config, flags, body, {**headers, **own}))
    shown = _shown(question)
    if ask and shown["rule"] == "router":
        shown = _after(shown, _asked(question, database(flags)), question.config)
    if as_json:
        print_json(shown)
    else:
        _print(shown, explain)


def _read(file: str) -> Json:
    from ccr_tui.wire import loads

    try:
        with click.open_file(file, "rb") as source:
            return loads(source.read())
    except OSError as error:
        raise CcrError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise CcrError(f"{file} is not JSON: {error}") from error


def _stored(flags: Mapping[str, str], id: str) -> tuple[Json, dict[str, str]]:
    trace = reader(flags).trace(id)
    if trace.body is None:
        raise CcrError(f"The request of trace {id} was no JSON, so it has no route.")
    return trace.body, dict(trace.headers)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise click.UsageError(f"{line!r} is not NAME:VALUE, such as x-ccr-model:flash")
    return name.strip().lower(), value.strip()


async def _question(config: Config, flags: Mapping[str, str], body: Json, headers: dict[str, str]) -> Question:
    """What the rules are asked. Raises BadRequest for a body that no request may have."""
    from ccr_tui.proxy.asked import about, parse
    from ccr_tui.proxy.custom import Own, informed
    from ccr_tui.proxy.question import Question

    parse(body)

    async def count() -> int:
        return await asyncio.to_thread(_tokens, config, flags, body)

    return await informed(Question(about(body, headers), headers, config, body), Own(), count)


def _tokens(config: Config, flags: Mapping[str, str], body: Json) -> int:
    """As the usual model counts them, with what was learned from its answers so far."""
    from ccr_tui.proxy.quirks import facts_for
    from ccr_tui.proxy.routing import resolve, usual
    from ccr_tui.store.queries import Reader
    from ccr_tui.tokens import Calibration, Counter

    model = resolve(config, usual(config))
    provider, calibration, path = config.providers[model.provider], Calibration(), database(flags)
    if path.exists():
        store = Reader(path)
        calibration.load(store.calibrations())
        store.close()
    raw = Counter().request(body).total
    return calibration.estimate(f"{provider.name}/{model.id}", raw, facts_for(provider, model).token_ratio).tokens


def _shown(question: Question) -> Json:
    from ccr_tui.proxy.routing import decide, resolve

    decision = decide(question)
    model = resolve(question.config, decision.model)
    return {
        "mode": decision.mode,
        "agent": decision.agent,
        "model": decision.model,
        "provider": model.provider,
        "id": model.id,
        "fallbacks": list(decision.fallbacks),
        "rule": decision.rule,
        "reason": decision.reason,
        "considered": [list(each) for each in decision.considered],
        "asked_model": question.asked.model,
        "kind": question.asked.kind,
        "estimated_input_tokens": question.estimate,
        "notes": _notes(question, decision),
    }


def _asked(question: Question, db: Path) -> Json:
    """What the router says; what that has cost is written down."""
    from ccr_tui.asking_router import ask_router
    from ccr_tui.store.paid import Paid, keep

    paid, names = Paid(), question.config.agents["router"]
    log_beside(db)
    try:
        return asyncio.run(ask_router(question.config, question.body, question.headers, paid.add))
    finally:
        try:
            keep(db, "route", names[0], paid)
        except StoreError as error:
            narrate(f"What the question has cost could not be kept: {safe(str(error))}")


def _after(shown: Json, said: Json, config: Config) -> Json:
    """The route as the router would have it: the tool agent answers, whoever works before it."""
    from ccr_tui.proxy.routing import resolve

    name, *fallbacks = config.agents["tool"]
    model, first = resolve(config, name), said["agent"]
    path = "tool" if first == "tool" else f"{first} → tool"
    answering = {"agent": "tool", "model": name, "provider": model.provider, "id": model.id, "fallbacks": fallbacks}
    told = {"reason": f"{path} ({said['cause']})", "notes": [note for note in shown["notes"] if ASKED_ONLY not in note]}
    return shown | answering | told | {"router": said, "works_first": _works(config, first)}


def _works(config: Config, agent: str) -> Json:
    """Who works before the tool agent speaks; None where nobody does."""
    return None if agent == "tool" else {"agent": agent, "model": config.agents[agent][0]}


def _way(shown: Json) -> str:
    """Why the tool agent answers, in the router's terms."""
    cause, first = shown["router"]["cause"], shown["works_first"]
    if cause in ("only_tool_agent_left", "max_hops_reached"):
        return "agent tool; the router had nothing to choose"
    if cause != "llm_classifier":
        return "agent tool, as the router gave no verdict"
    if first:
        return f"agent tool, once {first['agent']} ({first['model']}) has worked, as the router said"
    return "agent tool, as the router said"


def _notes(question: Question, decision: RouteDecision) -> list[str]:
    from ccr_tui.proxy.tag import tag_of

    notes = list(question.config.notes)
    if decision.rule == "router":
        offered = [name for name in ("tool", "coder", "think") if name in question.config.agents]
        notes.append(f"{ASKED_ONLY}; it chooses among {', '.join(offered) or 'nobody'}")
    if tag_of(question.body) is not None:
        notes.append("the <CCR-SUBAGENT-MODEL> tag is removed before the request is sent")
    return notes


def _print(shown: Json, explain: bool) -> None:
    way = f": {safe(_way(shown))}" if shown.get("router") else ""
    click.echo(f"{safe(shown['model'])}  ({safe(shown['provider'])}/{safe(shown['id'])}){way}")
    click.echo(f"agent {safe(shown['agent'])}, {shown['mode']} mode, rule {shown['rule']}: {safe(shown['reason'])}")
    if shown["fallbacks"]:
        click.echo(f"then {safe(', '.join(shown['fallbacks']))}")
    if explain:
        rows = [("→" if rule == shown["rule"] else "", rule, why) for rule, why in shown["considered"]]
        table(("", "rule", "why"), rows, widest=110)
    if router := shown.get("router"):
        cost = "?" if router["cost_usd"] is None else f"${router['cost_usd']}"
        click.echo(f"the router says {router['agent']} ({router['cause']}), {router['duration_ms']} ms, {cost}")
        click.echo(f"in its own words: {safe(router['said'])}")
    for note in shown["notes"]:
        narrate(f"note: {safe(note)}")
