"""Prompts that share their beginnings, as a tree of blocks.

Owns the tree and its segments. Must never know what a block is: it is any key, with its tokens. The one surprise: a
session of 2,000 turns is one long chain, so whatever walks from a prompt to its beginning does so by segments (the runs
between two branches), which are a handful.
"""

from __future__ import annotations

from typing import Any


class Tree:
    """Prompts that share their beginnings: a node is a block after everything before it. Node 0 is the empty prompt."""

    def __init__(self) -> None:
        self.parent = [0]
        self.tokens = [0]
        """Raw tokens of the whole prompt up to and with the node."""
        self.depth = [0]
        self.parts = [0]
        """Content blocks of the node's own block, as Anthropic counts them."""
        self._children: list[int] = [0]
        self._only: dict[tuple[int, Any], int] = {}
        self._segments: Segments | None = None

    def __len__(self) -> int:
        return len(self.parent)

    def add(self, parent: int, block: Any, tokens: int, parts: int = 1) -> int:
        """The node of `block` (any key) after `parent`; the same one if it is there already."""
        known = self._only.get((parent, block))
        if known is not None:
            return known
        node = self._only[parent, block] = len(self.parent)
        self.parent.append(parent)
        self.tokens.append(self.tokens[parent] + tokens)
        self.depth.append(self.depth[parent] + 1)
        self.parts.append(parts)
        self._children.append(0)
        self._children[parent] += 1
        self._segments = None
        return node

    def child(self, parent: int, block: Any) -> int | None:
        """The node of `block` after `parent`, if some prompt has it there."""
        return self._only.get((parent, block))

    def up(self, node: int) -> list[int]:
        """The node and everything before it, the empty prompt left out, last first."""
        found = []
        while node:
            found.append(node)
            node = self.parent[node]
        return found

    def above(self, node: int, steps: int) -> int:
        """The node so many blocks before this one; the empty prompt where there are not so many."""
        segments, wanted = self.segments, self.depth[node] - steps
        segment, place = segments.of[node], segments.place[node]
        while segment and self.depth[segments.nodes[segment][0]] > wanted:
            segment, place = segments.above[segment]
        return segments.nodes[segment][place - 1 - (self._at(segment, place) - wanted)] if segment else 0

    def _at(self, segment: int, place: int) -> int:
        return self.depth[self.segments.nodes[segment][place - 1]]

    @property
    def segments(self) -> Segments:
        """Runs of nodes between branches; worked out when first asked for after a change."""
        if self._segments is None:
            self._segments = Segments(self.parent, self._children)
        return self._segments


class Segments:
    """The tree without its chains: a session of 2,000 turns is a handful of segments, and a walk up one is a step."""

    def __init__(self, parent: list[int], children: list[int]) -> None:
        self.of = [0] * len(parent)
        self.place = [0] * len(parent)
        """Where in its segment a node stands, from 1."""
        self.above: list[tuple[int, int]] = [(0, 0)]
        """For each segment, where it branches off: a segment, and the place in it."""
        self.nodes: list[list[int]] = [[]]
        for node in range(1, len(parent)):
            before = parent[node]
            if before and children[before] == 1:
                self.of[node] = self.of[before]
            else:
                self.of[node] = len(self.above)
                self.above.append((self.of[before], self.place[before]))
                self.nodes.append([])
            run = self.nodes[self.of[node]]
            run.append(node)
            self.place[node] = len(run)

    def way(self, node: int) -> list[tuple[int, int]]:
        """From the root: each segment, and how far into it the prompt goes."""
        found = []
        segment, place = self.of[node], self.place[node]
        while segment:
            found.append((segment, place))
            segment, place = self.above[segment]
        return found[::-1]
