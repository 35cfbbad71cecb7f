"""Language models: llama.cpp, any OpenAI-compatible endpoint, transformers, scripted, replayed."""
