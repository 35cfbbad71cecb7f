"""Parts of `benchmarks/overhead.py`: one client a module, each run in a process of its own."""
