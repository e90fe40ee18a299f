"""Plans that survive crashes, effects that never double, and a safety layer outside of the model."""
