"""The core: tokens, prefixes, states, sessions, and the engine that steps the sessions.

It uses no sockets, clocks or threads.
"""
