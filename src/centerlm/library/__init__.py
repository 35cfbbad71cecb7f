"""Libraries of documents: reading files, cutting passages, indexing and searching them."""
