"""Search above every back end.

:mod:`~typeahead.search.port` says what a back end has to do, and :mod:`~typeahead.search.addresses` opens one.
:mod:`~typeahead.search.ranking` is the one way from a query to hits; it uses :mod:`~typeahead.search.fusion` where
words are searched beside vectors, and :mod:`~typeahead.search.copies` to show documents that read the same as one.
:mod:`~typeahead.search.filters`, :mod:`~typeahead.search.terms` and :mod:`~typeahead.search.space` are what all back
ends must agree on. :mod:`~typeahead.search.reuse`, :mod:`~typeahead.search.sought`, :mod:`~typeahead.search.snippets`
and :mod:`~typeahead.search.marks` are for showing hits. A back end that blocks runs in a thread
(:mod:`~typeahead.search.threads`).
"""
