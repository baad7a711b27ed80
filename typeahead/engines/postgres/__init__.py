"""PostgreSQL with pgvector behind the search port: vectors are searched in the table where they are.

``docs/postgresql.md`` says what users need. The way of a query: :mod:`~.backend` asks the words of the table, which
:mod:`~.copy` keeps in memory, and sends one statement of :mod:`~.statements` through :mod:`~.database`.
"""
