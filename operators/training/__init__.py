"""How the models used here were made or converted."""
