"""The encoders: each a fold over tokens, or, for passages, a function of the whole text.

:mod:`~typeahead.encoders.base` says what an encoder is, :mod:`~typeahead.encoders.recurrent` steps a state from token
to token, :mod:`~typeahead.encoders.transformer` reads whole texts.
"""
