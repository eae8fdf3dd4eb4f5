"""The routes: JSON in and out, OpenAI's shapes, statuses and server-sent events.

It knows the engine's values but no sockets: requests and exchanges come from ``llamabox.http``.
"""
