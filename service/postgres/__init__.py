"""The embedded PostgreSQL: started by the first process that needs it, stopped by the last that leaves."""
