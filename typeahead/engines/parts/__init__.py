"""Several back ends of one space as one index: each document is in one of them, and all are searched side by side.

The way of a query: :mod:`~.backend` asks all parts at once, and :mod:`~.merging` puts together what they found.
"""
