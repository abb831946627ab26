"""The OpenAPI 3.1 document, built in `document` from the operations that stand with the routes.

Their bodies are structs named in `components`, their examples stand in `examples`.
"""
