"""The processes in which the studio calls the library; only here is torch imported."""
