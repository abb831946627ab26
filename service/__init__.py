"""The world around the domain: store, writer, HTTP, commands."""
