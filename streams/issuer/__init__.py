"""A small OpenID Connect provider, for places that have none and for trials: accounts in a file, nothing else."""
