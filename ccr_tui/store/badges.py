"""What each model has been shown to be able to do.

Owns the table `badge`: the latest result of each check of each model. Must never be written by the writer's thread: a
test of a model is rare and slow, so it brings a connection of its own. The one surprise: models stand in it by provider
and id and not by our name for them, so that renaming a model keeps its badges.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from ccr_tui.records import Badge
from ccr_tui.store import codec, schema

KEEP = """
INSERT INTO badge (provider, model, "check", ability, sentence, ms, cost, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (provider, model, "check") DO UPDATE SET ability = excluded.ability, sentence = excluded.sentence,
    ms = excluded.ms, cost = excluded.cost, at = excluded.at
"""
ALL = 'SELECT provider, model, "check", ability, sentence, ms, cost, at FROM badge ORDER BY provider, model, n'

Badges = dict[tuple[str, str], tuple[Badge, ...]]
"""By provider and the provider's id of the model, in the order in which the checks were first made."""


def save(path: Path, provider: str, model: str, badges: Iterable[Badge]) -> None:
    """Keep these results, in place of older ones of the same checks. Blocks; raises StoreError."""
    rows = [(provider, model, b.check, b.ability, codec.utf8(b.sentence), b.ms, b.cost, b.at) for b in badges]
    with closing(schema.writable(path)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
            db.executemany(KEEP, rows)
            db.execute("COMMIT")
        except sqlite3.Error as error:
            raise schema.trouble(path, error) from error


def load(db: sqlite3.Connection) -> Badges:
    """Every result that is kept."""
    found: dict[tuple[str, str], list[Badge]] = {}
    for provider, model, *fields in db.execute(ALL):
        found.setdefault((provider, model), []).append(Badge(*fields))
    return {key: tuple(badges) for key, badges in found.items()}
