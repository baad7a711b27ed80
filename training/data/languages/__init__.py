"""Texts in many languages from packages of Debian: help pages, manuals, messages of programs, dictionaries.

``markup`` reads HTML and XML as titles, headings and paragraphs; ``programs`` reads the other formats; ``packages``
finds the files of a language among extracted packages; ``help_pages`` pairs the pages of LibreOffice's help across
languages; ``choosing`` cleans texts and draws a balanced set of them.
"""
