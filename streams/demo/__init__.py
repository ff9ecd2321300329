"""The demo's video: generated from a seed, so that who is where is known in every frame."""
