"""Changes to an index since its generation was built: written to a log on disk, and searched in memory.

:mod:`~typeahead.index.changes.journal` is the log, a SQLite database in the index folder. A write is answered once it
is there. :mod:`~typeahead.index.changes.following` turns the log into parts that can be searched
(:mod:`~typeahead.index.changes.memory`), and :mod:`~typeahead.index.changes.compacting` builds a new generation out of
the old one and the log.
"""
