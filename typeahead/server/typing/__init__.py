"""One person's typing: from a websocket frame to the reply."""
