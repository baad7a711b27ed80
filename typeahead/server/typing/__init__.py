"""One person's typing: from a websocket frame to the reply.

Calls go down, and answers come up. Everything runs on the event loop, except where a thread is named::

    frame                                              reply
      │                                                  ▲
      ▼                                                  │
    Channel        one websocket: that of the server itself, or of any ASGI server
      │ receive_text, caught_up                          ▲ send
      ▼                                                  │
    Connection     hears frames while there is room for replies, sends while the client reads
      │ hear, settle                                     ▲ take, after wake
      ▼                                                  │
    Dialogue       the session's text, what is due, and the replies that wait
      │ │ │
      │ │ ├─► Conversation   frame → message, or why it is refused           typeahead.wire.conversation
      │ │ ├─► Session        the text, its tokens and its embedding          typeahead.core.session
      │ │ ├─► DueStage       whether this text is searched                   due.py
      │ │ └─► TurnWriter     query → reply                                   turns.py
      │ │
      │ └─ step, step_now, search, drop: a Query ──────┐ notify: it got on, or failed
      ▼                                                │
    Pipeline       the same for all clients, and for searches over HTTP
      │
      ├─► Stepper            text → embedding, and what to search for        stepper.py
      │     ├─► StepQueue    what is stepped next, what is turned away       steps.py
      │     ├─► Asker        reads a text, and has it and its endings stepped typeahead.search.asking
      │     └─► Fallback     texts that are not for the encoder; a thread    fallback.py
      │
      └─► Searcher           what to search for → hits                       searcher.py
            ├─► SearchQueue  what is searched next, what is turned away      searches.py
            ├─► find         the one ranking; nothing else asks a back end   typeahead.search.ranking
            │     └─► Backend  the search port; one that blocks has a thread typeahead.search.port
            └─► HitWriter    hits → JSON                                     hits.py

A :class:`~typeahead.server.typing.query.Query` is what all of them pass on: one text, with its state. The states, and
the events that move it from one to the next, are in :mod:`typeahead.server.typing.query`.

Five classes stand for one client because each knows one thing. A channel knows sockets. A connection knows how much may
be read and sent. A dialogue knows neither, so a test can drive it with strings. A conversation knows the wire contract
and no text; a session knows a text and no wire.
"""
