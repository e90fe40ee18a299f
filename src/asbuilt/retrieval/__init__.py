"""Embedders, indexes, fusion, reranking, and the hybrid retriever over them."""
