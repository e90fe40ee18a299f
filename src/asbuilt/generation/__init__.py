"""Messages to text: llama.cpp in process and OpenAI-compatible endpoints."""
