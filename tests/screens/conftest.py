"""The screens' tests open many apps, all of one look: each style sheet is parsed once, not once an app.

The one surprise: parsing them was a third of these tests' time; Textual keeps what it parsed for one app only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from textual.css.stylesheet import Stylesheet


@pytest.fixture(autouse=True, scope="session")
def sheets() -> Iterator[None]:
    """What was parsed with the same variables serves every app; nobody changes rules once they are parsed."""
    parse, known = Stylesheet._parse_rules, {}

    def parsed(self: Stylesheet, *given: Any, **named: Any) -> Any:
        key = (frozenset(self._variables.items()), given, frozenset(named.items()))
        if key not in known:
            known[key] = parse(self, *given, **named)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parsed)
        yield
