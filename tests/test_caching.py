"""The prompt cache simulator against caches in their plainest form, and the rules of each family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccr_tui.caching import HOUR, MINUTE, RULES, Cached, Prompt, Rules, Simulator, rules_for
from ccr_tui.proxy.quirks import FAMILIES
from ccr_tui.trie import Tree

Asked = tuple[float, list[int]]
"""When, and which blocks; block n weighs WEIGHTS[n] tokens."""
WEIGHTS = (7, 40, 64, 100, 129, 300)


def grown(tree: Tree, blocks: Sequence[int]) -> int:
    node = 0
    for block in blocks:
        node = tree.add(node, block, WEIGHTS[block])
    return node


def simulated(rules: Rules, asked: Sequence[Asked]) -> list[Cached]:
    tree = Tree()
    prompts = [Prompt(grown(tree, blocks), at) for at, blocks in asked]
    simulator = Simulator(tree, rules)
    return [simulator.take(prompt) for prompt in prompts]


def sizes(blocks: Sequence[int]) -> int:
    return sum(WEIGHTS[block] for block in blocks)


def alike(one: Sequence[int], other: Sequence[int]) -> int:
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def served(rules: Rules, tokens: int, whole: int) -> int:
    found = min(tokens, max(0, whole - 1)) // rules.block * rules.block
    return found if found >= rules.minimum else 0


def plain_blocks(rules: Rules, asked: Sequence[Asked]) -> list[int]:
    """Every earlier prompt that is not too old, compared block by block."""
    found = []
    for n, (at, blocks) in enumerate(asked):
        hits = [sizes(blocks[: alike(blocks, old)]) for then, old in asked[:n] if at - then <= rules.lives_s]
        found.append(served(rules, max(hits, default=0), sizes(blocks)))
    return found


def plain_units(rules: Rules, asked: Sequence[Asked]) -> list[int]:
    """Whole earlier prompts, and what two of them had in common."""
    found, units, prompts = [], list[list[int]](), list[list[int]]()
    for _, blocks in asked:
        hits = [sizes(unit) for unit in units if blocks[: len(unit)] == unit]
        found.append(served(rules, max(hits, default=0), sizes(blocks)))
        common = max((alike(blocks, old) for old in prompts), default=0)
        units += [blocks[:common], blocks]
        prompts.append(blocks)
    return found


def sessions() -> st.SearchStrategy[list[Asked]]:
    """Prompts that share beginnings, minutes apart."""
    block, gaps = st.integers(0, len(WEIGHTS) - 1), st.floats(0.1, 8 * MINUTE)
    step = st.tuples(gaps, st.integers(0, 12), st.lists(block, min_size=1, max_size=4), st.integers(0, 5))

    def grow(steps: list[tuple[float, int, list[int], int]]) -> list[Asked]:
        asked: list[Asked] = []
        now = 0.0
        for gap, kept, added, back in steps:
            now += gap
            before = asked[-1 - back % len(asked)][1] if asked else []
            asked.append((now, [*before[: kept if kept < 10 else len(before)], *added]))
        return asked

    return st.lists(step, min_size=1, max_size=12).map(grow)


BLOCKS = Rules("test", "blocks", "here", block=16, minimum=64, lives_s=10 * MINUTE)
UNITS = Rules("test", "units", "here", block=16, minimum=16)


@given(sessions())
def test_blocks_are_those_of_the_longest_living_prefix(asked: list[Asked]) -> None:
    assert [cached.read for cached in simulated(BLOCKS, asked)] == plain_blocks(BLOCKS, asked)


@given(sessions())
def test_units_are_whole_prompts_and_common_beginnings(asked: list[Asked]) -> None:
    assert [cached.read for cached in simulated(UNITS, asked)] == plain_units(UNITS, asked)


@given(sessions(), st.sampled_from(sorted(RULES)))
def test_no_cache_serves_more_than_was_sent_nor_parts_of_blocks(asked: list[Asked], family: str) -> None:
    rules = RULES[family]
    for cached, (_, blocks) in zip(simulated(rules, asked), asked, strict=True):
        assert 0 <= cached.read <= sizes(blocks)
        assert cached.read % rules.block == 0
        assert cached.read == 0 or cached.read >= rules.minimum
        assert cached.read + cached.write + cached.write_long <= sizes(blocks)


@given(sessions())
def test_what_was_never_sent_before_is_never_served(asked: list[Asked]) -> None:
    strange = [(at, [0, n % 6, *blocks]) for n, (at, blocks) in enumerate(asked[:6])]
    assert all(cached.read < WEIGHTS[0] + 16 for cached in simulated(replace(BLOCKS, minimum=0), strange))


@given(sessions())
def test_a_longer_life_serves_no_less(asked: list[Asked]) -> None:
    short, long = simulated(BLOCKS, asked), simulated(replace(BLOCKS, lives_s=HOUR), asked)
    assert all(one.read <= other.read for one, other in zip(short, long, strict=True))


def test_an_answer_that_has_not_begun_leaves_nothing_for_others() -> None:
    tree = Tree()
    first = grown(tree, [5, 4, 3])
    simulator = Simulator(tree, BLOCKS)
    assert simulator.take(Prompt(first, at=0, ready_s=5)).read == 0
    assert simulator.take(Prompt(first, at=4)).read == 0
    assert simulator.take(Prompt(first, at=6)).read == 528


def test_the_answer_is_part_of_the_next_prefix_where_the_family_keeps_it() -> None:
    tree = Tree()
    asked = grown(tree, [5, 4])
    answer = tree.add(asked, "answer", 200)
    following = tree.add(answer, "then", 50)
    for keeps, read in ((True, 624), (False, 416)):
        simulator = Simulator(tree, replace(BLOCKS, answers=keeps))
        simulator.take(Prompt(asked, 0, answer=answer))
        assert simulator.take(Prompt(following, 10)).read == read


# --- Anthropic's marks -----------------------------------------------------------------------------------------------

CLAUDE = rules_for("generic", "claude-sonnet-4-5", "anthropic")


def marked(*asked: tuple[float, int, Sequence[tuple[int, float]]], blocks: int = 60) -> list[Cached]:
    """Prompts of so many blocks of 500 tokens each, all from one conversation, with marks after the blocks given."""
    tree = Tree()
    nodes = [0]
    for n in range(blocks):
        nodes.append(tree.add(nodes[-1], n, 500))
    simulator = Simulator(tree, CLAUDE)
    return [
        simulator.take(Prompt(nodes[size], at, marks=tuple((nodes[mark], lives) for mark, lives in marks)))
        for at, size, marks in asked
    ]


SHORT = 5 * MINUTE
MARKED = {
    "nothing is cached without a mark": ([(0, 10, []), (1, 10, [])], [(0, 0, 0), (0, 0, 0)]),
    "a mark writes, and the next prompt reads": (
        [(0, 10, [(10, SHORT)]), (60, 14, [(14, SHORT)])],
        [(0, 5000, 0), (5000, 2000, 0)],
    ),
    "reading keeps it alive": (
        [(0, 10, [(10, SHORT)]), (290, 10, [(10, SHORT)]), (580, 10, [(10, SHORT)])],
        [(0, 5000, 0), (5000, 0, 0), (5000, 0, 0)],
    ),
    "five minutes after its last use it is gone": (
        [(0, 10, [(10, SHORT)]), (301, 10, [(10, SHORT)])],
        [(0, 5000, 0), (0, 5000, 0)],
    ),
    "an hour's mark lives an hour, and its write is told apart": (
        [(0, 10, [(4, HOUR), (10, SHORT)]), (3000, 10, [(4, HOUR), (10, SHORT)])],
        [(0, 3000, 2000), (2000, 3000, 0)],
    ),
    "twenty blocks are looked back": (
        [(0, 10, [(10, SHORT)]), (1, 30, [(30, SHORT)])],
        [(0, 5000, 0), (5000, 10000, 0)],
    ),
    "and not more": ([(0, 10, [(10, SHORT)]), (1, 40, [(40, SHORT)])], [(0, 5000, 0), (0, 20000, 0)]),
    "a prefix that is too short is not cached": ([(0, 2, [(2, SHORT)]), (1, 2, [(2, SHORT)])], [(0, 0, 0), (0, 0, 0)]),
}


@pytest.mark.parametrize("name", MARKED)
def test_marks(name: str) -> None:
    asked, expected = MARKED[name]
    assert marked(*asked) == [Cached(*each) for each in expected]


# --- rules -----------------------------------------------------------------------------------------------------------

FOUND = [
    ("openai", "gpt-4.1", "openai", {"block": 128, "minimum": 1024, "write_percent": 100}),
    ("openai", "gpt-5.6-terra", "openai", {"write_percent": 125, "lives_s": 30 * MINUTE}),
    ("deepseek", "deepseek-flash", "openai", {"match": "units", "block": 64}),
    ("generic", "claude-opus-5-5", "anthropic", {"match": "marks", "minimum": 4096, "sure": True}),
    ("generic", "claude-sonnet-4-5", "anthropic", {"minimum": 1024}),
    ("deepseek", "deepseek-flash", "anthropic", {"match": "units"}),
    ("openrouter", "anything", "openai", {"match": "none"}),
    ("generic", "anything", "openai", {"match": "none"}),
    ("generic", "demo", "demo", {"match": "blocks", "block": 64, "sure": True}),
]


@pytest.mark.parametrize(("family", "id", "kind", "facts"), FOUND, ids=[f"{f}-{i}-{k}" for f, i, k, _ in FOUND])
def test_the_rules_of_a_model(family: str, id: str, kind: str, facts: dict[str, object]) -> None:
    rules = rules_for(family, id, kind)
    assert {name: getattr(rules, name) for name in facts} == facts
    assert rules.source


def test_every_family_with_rules_is_one_of_ours_and_says_what_it_assumes() -> None:
    assert set(RULES) - set(FAMILIES) == {"anthropic", "demo"}
    assert all(rules.sure or rules.assumed for rules in RULES.values())


# --- the tree --------------------------------------------------------------------------------------------------------


@given(sessions())
def test_a_way_up_by_segments_is_the_way_up_by_nodes(asked: list[Asked]) -> None:
    tree = Tree()
    for _, blocks in asked:
        leaf = grown(tree, blocks)
        chain = tree.up(leaf)
        assert [tree.above(leaf, n) for n in range(len(chain))] == chain
        assert tree.above(leaf, len(chain)) == 0
        assert [tree.tokens[a] - tree.tokens[b] for a, b in pairwise([*chain, 0])] == [
            WEIGHTS[block] for block in reversed(blocks)
        ]
