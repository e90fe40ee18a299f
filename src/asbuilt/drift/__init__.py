"""Where the running system and the drawing part."""
