"""Settings of pictures and sounds in conversations; a group of ``config.ServerConfig``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaConfig:
    """What the projector is, what is kept of its work, and where media may be fetched."""

    # GGUF file; None: the model takes text only.
    projector: str | None = None
    # Longest side of a picture in pixels, larger ones are made smaller; None: as it comes.
    max_image_size: int | None = None
    # Encoded pictures and sounds that are kept for later requests.
    n_cached: int = 0
    # Whether URLs may lead to private, loopback and link-local addresses.
    allow_private: bool = False
    # Hosts that may be fetched from, with "*.example.org" for all below one; empty: any.
    allowed_hosts: tuple[str, ...] = ()
    # Limits of one fetch.
    fetch_bytes: int = 20 * 1024 * 1024
    fetch_s: float = 10.0
    fetch_redirects: int = 3
