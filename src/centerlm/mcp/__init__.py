"""The Model Context Protocol, both ways: centerlm as a server, tools of servers as sources.

Needs the extra `mcp` (the official SDK).
"""
