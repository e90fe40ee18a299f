"""What a blueprint looks like to people: Markdown, text, Mermaid and SVG, from the blueprint alone."""
