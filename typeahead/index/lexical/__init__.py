"""The words of an index: finds documents by words that may be unfinished, and weighs each of them exactly.

:class:`~typeahead.index.lexical.lexical.Lexical` opens what :class:`~typeahead.index.lexical.writer.LexicalWriter` has
written. It has three parts: ``vocabulary`` (all forms of words, with ``slips`` for those that are spelled almost
alike), ``inverted`` (Tantivy, which finds candidates by the queries of ``candidates``), and ``forward`` (the forms of
each document, for exact evidence).
"""
