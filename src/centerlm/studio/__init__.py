"""The studio: pages to ask, guide, look into memory, train and evaluate, over the service.

Pages are made here (Jinja, escaped) and changed by htmx; one small script keeps the live tree. All
assets are in the package: nothing is fetched from anywhere.
"""
