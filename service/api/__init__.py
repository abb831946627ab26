"""The HTTP interface: routes, replies, and the OpenAPI document."""
