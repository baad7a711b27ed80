"""Qdrant behind the search port: vectors are searched in the collection where they are.

``docs/qdrant.md`` says what users need. The way of a query: :mod:`~.backend` asks the words of the collection, which
:mod:`~typeahead.engines.polling` keeps in memory, and sends one batch of searches through :mod:`~.server`.
"""
