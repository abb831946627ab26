"""HTTP without the routes: the protocol, requests, tokens, bodies, limits, problems."""
