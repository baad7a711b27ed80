"""The heart: tokens, prefixes, states, sessions, and the engine that steps them.

No sockets, no clocks, no threads.
"""
