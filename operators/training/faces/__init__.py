"""How the face detector shipped in `operators/weights` was trained: `python -m operators.training.faces --help`."""
