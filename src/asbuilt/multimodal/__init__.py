"""Input router -> encoders -> fusion -> task head -> output formatter, over pages and pictures."""
