"""Settings that are declared once, and the five ways to see them that follow from the declaration.

A settings class is a frozen dataclass whose fields are made by :func:`~typeahead.settings.declaring.setting`: name,
type, default, bounds, group and one help text. From these follow

- the check of bounds and choices (:mod:`~typeahead.settings.declaring`),
- the command-line flag and its help (:mod:`~typeahead.settings.flags`),
- the environment variable and the key of the configuration file (:mod:`~typeahead.settings.sources`,
  :mod:`~typeahead.settings.file`),
- the line that ``--print-config`` writes (:mod:`~typeahead.settings.printing`).

Checks that relate two settings are ordinary code in the class.

Why not a library: none says where a value came from, and none writes TOML with the help as comments and the source of
each value. pydantic-settings reads all three sources, but it also replaces the dataclass and its errors, and ``python
-X importtime -c "import pydantic_settings"`` shows what importing it adds to each start, of each worker.
jsonargparse prints YAML with comments, but TOML without. tyro reads neither files nor the environment. msgspec reads
TOML and checks bounds, but makes no flags. What is here uses ``argparse``, ``tomllib`` and ``dataclasses``, which are
in the standard library.
"""
