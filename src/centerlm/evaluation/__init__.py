"""Measuring: answer and support metrics, intervals and paired tests, oracles."""
