"""Everything that was asked and answered, in one SQLite file (floor 3: knows no proxy and no screen)."""
