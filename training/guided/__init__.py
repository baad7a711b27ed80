"""``typeahead train``: from a teacher and a log of queries to an encoder that serves, in one command.

``facts`` reads what a teacher's files say, and ``checks`` what can be known before any work; neither needs PyTorch.
``plan`` divides the time that the user gives. ``making`` does the work, in a folder from which it can be resumed, and
``judging`` measures what came of it. :func:`~training.guided.making.distill` is the whole of it, in Python.
"""
