"""Reading and describing the log: connections, stored form, queries, schema. Writing is `service.writing`'s."""
