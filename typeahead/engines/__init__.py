"""Search engines of other makers behind the search port (:mod:`typeahead.search.port`), one package for each."""
