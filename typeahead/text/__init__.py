"""Reads texts out of every kind of file, for the index, the evaluation and training alike.

``reading`` gives the lines of a plain or gzipped file, ``bad_lines`` says what happens to those that cannot be used,
and ``records`` reads JSON objects and checks their values. ``beir``, ``msmarco`` and ``judgements`` know how retrieval
collections are written. ``sources`` makes documents of files for an index; ``delimited`` reads tables for it, ``notes`` folders of documentation,
with the help of ``markup``. ``dividing`` makes passages of long documents. ``analysis`` finds the words of a text.
"""
