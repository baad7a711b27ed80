"""Search above every back end.

:mod:`~typeahead.search.port` says what a back end has to do, and :mod:`~typeahead.search.addresses` opens one.
:mod:`~typeahead.search.asking` is the one way from a text to a request: :mod:`~typeahead.search.reading` says which
words the text asks for, and :mod:`~typeahead.search.seeking` which vector. :mod:`~typeahead.search.ranking` is the one
way from a request to hits, by the scores of :mod:`~typeahead.search.scoring`. What either has to know of an index,
:mod:`~typeahead.search.learning` finds out: its :mod:`~typeahead.search.vocabulary`, with words that are spelled alike
(:mod:`~typeahead.search.slips`), and what scores mean in it (:mod:`~typeahead.search.calibration`).

:mod:`~typeahead.search.filters`, :mod:`~typeahead.search.terms` and :mod:`~typeahead.search.space` are what all back
ends must agree on. :mod:`~typeahead.search.copies` shows documents that read the same as one, and
:mod:`~typeahead.search.reuse`, :mod:`~typeahead.search.sought`, :mod:`~typeahead.search.snippets` and
:mod:`~typeahead.search.marks` are for showing hits, too. A back end that blocks runs in a thread
(:mod:`~typeahead.search.threads`).
"""
