"""A blueprint on its target machine: what it takes, whether it fits, and the nearest plans that do."""
