"""Turns pages of documentation into plain text with headings.

``markdown``, ``html`` and ``restructured`` each read one kind of markup into the
:class:`~typeahead.text.markup.flow.Flow` of a page. ``front`` reads front matter, ``urls`` makes the URLs of pages.
:mod:`typeahead.text.notes` goes through folders.
"""
