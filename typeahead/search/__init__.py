"""What stands above every back end: fusion, reuse of results, snippets and marks."""
