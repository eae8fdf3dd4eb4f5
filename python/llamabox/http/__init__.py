"""The HTTP layer: sockets, HTTP/1.1, limits, routes and server-sent events.

It knows neither the engine nor the API: an application gives it one handler. Import the modules by
name; this package imports none of them, so that a process that only binds sockets stays small.
"""
