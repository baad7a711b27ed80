"""Milvus behind the search port: vectors are searched in the collection where they are.

``docs/milvus.md`` says what users need. The way of a query: :mod:`~.backend` asks the words of the collection, which
:mod:`~typeahead.engines.polling` keeps in memory, and sends its searches side by side through :mod:`~.server`.
"""
