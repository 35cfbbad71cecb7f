"""Books: their structure, who and what is in them, continuing them, and measures of continuations.

Positions are characters of the document's text, as the library keeps it: the time axis of a book.
"""
