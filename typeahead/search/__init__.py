"""Search above every back end.

:mod:`~typeahead.search.port` says what a back end has to do, and :mod:`~typeahead.search.addresses` opens one.
:mod:`~typeahead.search.filters`, :mod:`~typeahead.search.terms` and :mod:`~typeahead.search.space` are what all back
ends must agree on. A back end that blocks runs in a thread (:mod:`~typeahead.search.threads`).

:mod:`~typeahead.search.reading` says what a text asks for, and :mod:`~typeahead.search.seeking` encodes it.
:mod:`~typeahead.search.ranking` is the one way from a request to hits; :mod:`~typeahead.search.scoring` weighs them, on
the scale that :mod:`~typeahead.search.calibration` measures. :mod:`~typeahead.search.copies` shows documents that read
the same as one. :mod:`~typeahead.search.reuse`, :mod:`~typeahead.search.sought`, :mod:`~typeahead.search.snippets` and
:mod:`~typeahead.search.marks` are for showing hits.
"""
