"""Schema and pages -> values that can be proved again."""
