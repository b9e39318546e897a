"""A trained model with the codes of its data, and the verbs on codes; it knows no disk."""
