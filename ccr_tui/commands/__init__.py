"""The commands, a module for each part of the work. Nothing heavy is imported before a command runs."""
