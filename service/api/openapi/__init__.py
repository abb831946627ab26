"""The OpenAPI 3.1 document: a table of operations (`operations`) that is put together in `document`.

A new route is one row of the table; its bodies are structs named in `schemas`, its examples stand in `examples`.
"""
