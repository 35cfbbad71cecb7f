"""Serving: an OpenAI-compatible API over the solver, for many clients at once.

`service` accepts, queues, solves and resumes; `chat` and `stream` speak the wire format; `guard`
stands in front; `app` and `server` put them together. Needs the extra `serve`.
"""
