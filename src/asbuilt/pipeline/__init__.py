"""The training pipeline as a whole: what it trains is judged by the assistant that would use it."""
