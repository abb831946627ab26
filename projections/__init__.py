"""What the events add up to: one module a view, with its fold, its row and its queries."""
