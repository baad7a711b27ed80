"""The settings of the server by what they are about; :class:`typeahead.server.config.ServerConfig` has all of them."""
