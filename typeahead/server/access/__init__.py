"""The tokens of a server: plain ones, signed ones with a scope, and lists of those that were revoked.

What they grant is a :class:`typeahead.wire.access.Grant`.
"""
