"""The controlled comparison: the same records, tokens and solver; only the way of training differs.

Puts learning and evaluation together; neither imports it.
"""
