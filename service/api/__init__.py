"""The HTTP interface: routes, responses, and the OpenAPI document."""
