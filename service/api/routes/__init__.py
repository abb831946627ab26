"""The HTTP routes, one file for each concept. Each is a function from a context and a request to a response."""
