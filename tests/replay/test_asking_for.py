"""What a person may ask a replay for: variants, gates, exports, and the command line's answers."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ccr_tui import catalogue, cli
from ccr_tui.config import Config, Model, Provider
from ccr_tui.errors import CcrError
from ccr_tui.prices import Book
from ccr_tui.records import Price
from ccr_tui.replay import export, gate
from ccr_tui.replay.sums import warmed
from ccr_tui.replay.variants import Grammar
from ccr_tui.replay.words import Comparison, Recording, Variant, VariantSums
from ccr_tui.store.paths import Call, Chunks, Paths

TRACES = Path(__file__).parent.parent.parent / "traces"
CONFIG = Config(
    providers={"two": Provider("two", "openai", "https://two.example/v1")},
    models={"first": Model("first", "two", "first-id"), "second": Model("second", "two", "second-id")},
    agents={"default": ("first",)},
)


def grammar(config: Config = CONFIG) -> Grammar:
    row = SimpleNamespace(agent="tool", provider="gone", model="gone-id", n=1, started_at=1_790_000_000.0)
    call = Call("route", "two", "first-id", None, None, False, Price(1, 2))
    steps = (SimpleNamespace(row=row, uid="1"),)
    recording: Any = SimpleNamespace(
        steps=steps, started_at=1_790_000_000.0, load=lambda uid: SimpleNamespace(attempts=())
    )
    paths = Paths({}, {}, {1: (call,)}, Chunks(lambda numbers: []), lambda n: {})
    return Grammar(config, recording, paths, Book())


@dataclass(frozen=True)
class Meant:
    """What a variant says: its one model, or agents with provider and id."""

    model: str | None = None
    agents: tuple[tuple[str, str], ...] = ()
    mode: str | None = None
    priced_only: tuple[str, ...] = ()


MEANT: dict[str, Meant] = {
    "a=first": Meant(model="first"),
    "first": Meant(model="first"),
    "a=two/other": Meant(model="two/other"),
    "a=two,other": Meant(model="two,other"),
    "a=first-id": Meant(model="first"),
    "a=qwen-max": Meant(model="qwen-max", priced_only=("qwen-max",)),
    "a=anthropic/claude-opus-5-5": Meant(model="anthropic/claude-opus-5-5", priced_only=("anthropic/claude-opus-5-5",)),
    "a=tool:second": Meant(agents=(("tool", "second"), ("default", "first"), ("router", "first"))),
    "a=tool:two,other,think:second": Meant(agents=(("tool", "two,other"), ("think", "second"))),
    "a=think:second": Meant(agents=(("think", "second"), ("tool", "gone/gone-id"))),
    "a=mode:router": Meant(mode="router", agents=(("router", "first"), ("tool", "gone/gone-id"))),
    "a= mode:normal , default: second": Meant(mode="normal", agents=(("default", "second"),)),
}


def meant(variant: Variant, expected: Meant) -> Meant:
    agents = tuple((agent, variant.config.agents[agent][0]) for agent, _ in expected.agents)
    return Meant(variant.model, agents, variant.mode, variant.priced_only)


@pytest.mark.parametrize("written", MEANT)
def test_a_variant_means(written: str) -> None:
    assert meant(grammar().one(written), MEANT[written]) == MEANT[written]


WRONG = {
    "a=": ["write NAME=MODEL", "mode:router", "@FILE"],
    "=first": ["write NAME=MODEL"],
    "a b=first": ["write NAME=MODEL"],
    "recorded=first": ["'recorded' is the recording itself"],
    "a=frist": ["neither a configured model (known: first, second)", "did you mean 'first'?"],
    "a=qwen-mix": ["did you mean 'qwen-max'?"],
    "a=tol:first": ["no agent is called 'tol'; did you mean 'tool'?"],
    "a=tool:": ["nothing is given for tool"],
    "a=tool:first,tool:second": ["tool is named twice"],
    "a=first,tool:second": ["'first' is no AGENT:MODEL", "router"],
    "a=mode:robot": ["mode is normal or router, not 'robot'"],
    "a=rules:mine": ["rules can be turned off (rules:off)"],
    "a=@nowhere.toml": ["--variant a", "nowhere.toml"],
}


@pytest.mark.parametrize("written", WRONG)
def test_a_wrong_variant_is_told_what_there_is(written: str) -> None:
    with pytest.raises(CcrError) as told:
        grammar().one(written)
    assert [words for words in WRONG[written] if words not in str(told.value)] == []


def test_router_mode_needs_somebody_to_route() -> None:
    with pytest.raises(CcrError, match="needs router; add router:MODEL"):
        Grammar(CONFIG, grammar_recording(), Paths({}, {}, {}, Chunks(lambda n: []), lambda n: {}), Book()).one(
            "a=mode:router"
        )


def grammar_recording() -> Recording:
    row = SimpleNamespace(agent="tool", provider="two", model="first-id", n=1, started_at=0.0)
    made: Any = SimpleNamespace(steps=(SimpleNamespace(row=row),), started_at=1_790_000_000.0)
    recording: Recording = made
    return recording


def test_two_variants_of_one_name_are_refused() -> None:
    with pytest.raises(CcrError, match="Two variants are called 'a'"):
        grammar().read(["a=first", "a=second"])


def test_variables_do_not_change_what_a_file_says(tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('[providers.x]\nbase_url = "https://x.example"\napi_key = "$X_KEY"\n[models.m]\nid = "m"\n')
    config = replace(CONFIG, env={"OPENAI_MODEL": "mine", "ENABLE_ROUTER": "true", "X_KEY": "secret"})
    found = grammar(config).one(f"a=@{file}")
    assert (found.config.agents["default"], found.mode, found.config.env.get("X_KEY")) == (("m",), "normal", "secret")


# --- gates -----------------------------------------------------------------------------------------------------------

RECORDED = VariantSums("recorded", cost=1_000_000_000, saved=0, series=(1_000_000_000,))
CHEAP = VariantSums("cheap", cost=250_000_000, saved=750_000_000, high=300_000_000, tool_agreement=0.9, failed=1)
DEAR = VariantSums("dear", cost=2_000_000_000, saved=-1_000_000_000, high=2_000_000_000, unpriced=1)
COMPARED = Comparison("run", "reprice", "s", "a session", "database", 1.0, (RECORDED, CHEAP, DEAR), "opus", 500_000_000)

GATES = {
    "cheap.cost<0.8": [True],
    "cheap.cost<25%": [False],
    "cheap.cost<=25%": [True],
    "cheap.usd<$0.26": [True],
    "cheap.cost<$0.26": [True],
    "cheap.cost<$0.25": [False],
    "cheap.high<0.26": [False],
    "cheap.baseline<=0.5": [True],
    "cheap.toolmatch>=0.9,cheap.errors<1": [True, False],
    "dear.cost<9": [False],
    "dear.toolmatch>0": [False],
    "cost<0.8": [True, False],
}


@pytest.mark.parametrize("text", GATES)
def test_a_gate(text: str) -> None:
    assert [verdict.passed for verdict in gate.judge(gate.parse(text), COMPARED)] == GATES[text]


@pytest.mark.parametrize(
    ("text", "told"),
    [("cost", "METRIC<NUMBER"), ("costs<1", "did you mean 'cost'?"), ("cost<1.2.3", "is no number"),
     ("nobody.cost<1", "no variant 'nobody'"), ("toolmatch>$1", "no dollars")],
)  # fmt: skip
def test_a_wrong_gate_is_told(text: str, told: str) -> None:
    with pytest.raises(CcrError) as error:
        gate.judge(gate.parse(text), COMPARED)
    assert told in str(error.value)


def test_a_verdict_says_what_its_number_is() -> None:
    told = [gate.told(each) for each in gate.judge(gate.parse("cheap.cost<0.8,cheap.cost<$0.8,cheap.ttft<3"), COMPARED)]
    assert told[0] == "gate cost<0.8 passed for cheap: 0.25 times the recorded cost"
    assert told[1] == "gate usd<0.8 passed for cheap: $0.25"
    assert told[2].endswith("not known")


# --- exports ---------------------------------------------------------------------------------------------------------

NASTY = replace(CHEAP, name="<b>|=cmd", models=("<script>alert(1)</script>",), series=(1, 2), notes=("a | b",))
SHOWN = replace(COMPARED, variants=(replace(RECORDED, series=(1, 5)), NASTY), title="a <title>")


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)


def test_html_is_one_page_in_which_recorded_text_is_text() -> None:
    page = export.html(SHOWN)
    found = Tags()
    found.feed(page)
    assert found.tags & {"script", "iframe", "img", "link", "a", "b"} == set()
    assert "://" not in page and "<script" not in page


def test_csv_is_exact_and_no_formula() -> None:
    rows = list(csv.DictReader(StringIO(export.as_csv(SHOWN))))
    assert [row["cost_usd"] for row in rows] == ["1", "0.25"]
    assert rows[1]["variant"] == "<b>|=cmd" and export.as_csv(replace(SHOWN, variants=(NASTY,))).count("'=") == 0
    formula = replace(SHOWN, variants=(replace(NASTY, name="=cmd()"),))
    assert "'=cmd()" in export.as_csv(formula)


def test_markdown_is_one_table() -> None:
    lines = [line for line in export.markdown(SHOWN).split("\n") if line.startswith("|")]
    assert len(lines) == 4
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1


# --- the command -----------------------------------------------------------------------------------------------------

Call_ = Callable[..., SimpleNamespace]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: Any) -> Iterator[Call_]:
    monkeypatch.setenv("CCR_TUI_CONFIG", str(tmp_path / "config.toml"))
    monkeypatch.setenv("CCR_TUI_DB", str(tmp_path / "ccr.db"))
    monkeypatch.chdir(tmp_path)

    def calling(*args: str) -> SimpleNamespace:
        with pytest.raises(SystemExit) as ended:
            cli.main(list(args))
        out, err = capfdbinary.readouterr()
        return SimpleNamespace(code=ended.value.code, out=out.decode(), err=err.decode())

    yield calling


def test_a_file_is_replayed_shown_listed_exported_and_gated(call: Call_, tmp_path: Path) -> None:
    given = ("--variant", "q=qwen-max", "--variant", "d=deepseek-flash", "--baseline", "claude-opus-5-5")
    done = call("replay", str(TRACES / "routed.jsonl"), *given, "--export", "out.md", "--gate", "q.cost<0.001")
    assert done.code == 3, done.err
    assert [line.split()[0] for line in done.out.splitlines()[2:]] == ["recorded", "q", "d"]
    assert "gate cost<0.001 FAILED for q" in done.err
    assert (tmp_path / "out.md").read_text().count("| d |") == 1
    listed = json.loads(call("replay", "runs", "--json").out)
    assert listed["asked"]["variants"] == ["q=qwen-max", "d=deepseek-flash"]
    shown = json.loads(call("replay", "show", listed["run"][:8], "--json", "--steps", "--gate", "d.cost<9").out)
    assert [each["name"] for each in shown["variants"]] == ["recorded", "q", "d"]
    assert (len(shown["steps"]), shown["gates"][0]["passed"]) == (21, True)
    assert call("replay", "show", "last").out.splitlines()[2].startswith("recorded")


TOLD = {
    ("nobody", "--variant", "a=qwen-max"): (1, "is neither a file nor a session nor a request"),
    ("last", "--variant", "a=qwen-max"): (1, "No session is recorded"),
    ("no/such.jsonl", "--variant", "a=qwen-max"): (1, "no/such.jsonl: No such file"),
    (str(TRACES / "routed.jsonl"),): (2, "name at least one --variant"),
    (str(TRACES / "routed.jsonl"), "--variant", "a=qwen-mix"): (2, "did you mean"),
    ("last", "--variant", "a=b", "--gate", "x<1"): (2, "is no metric"),
    ("last", "--variant", "a=b", "--export", "x.pdf"): (2, "must end in .md, .csv, .html"),
    ("last", "--variant", "a=b", "--sample", "some"): (2, "neither a number of steps nor turns"),
    ("last", "--variant", "a=b", "--max-cost", "-1"): (2, "US dollars"),
    ("show", "nobody"): (1, "there is no replay 'nobody'"),
}


@pytest.mark.parametrize("args", TOLD, ids=lambda args: " ".join(Path(arg).name for arg in args))
def test_a_wrong_call_is_told(call: Call_, args: tuple[str, ...]) -> None:
    code, told = TOLD[args]
    done = call("replay", *args)
    assert (done.code, done.out) == (code, "")
    assert told in done.err


def test_without_any_configuration_the_demo_model_is_a_variant(call: Call_) -> None:
    done = call("replay", str(TRACES / "coding.jsonl"), "--variant", f"a={catalogue.DEMO_MODEL.name}", "--json")
    found = json.loads(done.out)
    assert found["variants"][1]["cost_usd"] == "0"


@pytest.mark.parametrize(
    ("args", "idle"),
    {
        "reprice": (("--variant", "a=qwen-max", "--max-cost", "1", "--judge", "qwen-max"), "--max-cost and --judge"),
        "rehearse": (("--kind", "rehearse", "--ask-router"), "--ask-router"),
        "nothing idle": (("--variant", "a=qwen-max"), ""),
    }.values(),
    ids=["reprice", "rehearse", "nothing idle"],
)
def test_options_that_only_a_rerun_has_are_told(call: Call_, args: tuple[str, ...], idle: str) -> None:
    done = call("replay", str(TRACES / "coding.jsonl"), *args)
    assert done.code == 0, done.err
    assert (f"sends nothing, so {idle} changed nothing" in done.err) is bool(idle)


# --- what a rerun owes to the recording ------------------------------------------------------------------------------


def test_a_cache_that_the_recording_has_filled_is_told() -> None:
    def line(read: int, sent: int = 1000) -> VariantSums:
        return VariantSums("v", input_tokens=sent - read, cache_read_tokens=read)

    (told,) = warmed(line(990), line(710))
    assert told.startswith("99% of what was sent came from a cache, in the recording 71%")
    assert warmed(line(720), line(710)) == warmed(line(0), line(710)) == warmed(line(0, 0), line(5)) == ()
