"""The HTTP routes, one file a resource. Each is a function from a call to a reply."""
