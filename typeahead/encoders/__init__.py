"""The encoders: each a fold over tokens, or, for passages, a function of the whole text.

:mod:`~typeahead.core.encoder` says what an encoder is, :mod:`~typeahead.encoders.fold` has what folds share. Of these,
:mod:`~typeahead.encoders.static` adds up a vector for each token, :mod:`~typeahead.encoders.recurrent` steps one state
from token to token, :mod:`~typeahead.encoders.causal` attends to what it kept of every earlier token.
:mod:`~typeahead.encoders.transformer` reads whole texts.
"""
