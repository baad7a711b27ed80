"""Reads texts out of every kind of file, for the index, the evaluation and training alike.

``reading`` gives the lines of a plain or compressed file, ``bad_lines`` says what happens to those that cannot be used,
and ``records`` reads JSON objects and checks their values. ``beir``, ``msmarco`` and ``judgements`` know how retrieval
collections are written. ``sources`` makes documents of files, folders and databases for an index: ``kinds`` tells their
formats, ``opening``, ``delimited``, ``notes`` and ``formats`` read them, with the help of ``markup``, and ``mapping``
and ``fields`` make documents of records. ``dividing`` makes passages of long documents. ``analysis`` finds the words of
a text.
"""
