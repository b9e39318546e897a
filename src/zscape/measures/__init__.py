"""Numbers about a trained space, each with its unit and kind, and the report that shows them."""
