"""Which routes a server answers: one table of what a route needs, by flags and by the model.

A flag that is missing makes the route unknown (404); a model that cannot do it is refused (403).
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from llamabox.compute_config import EncoderConfig
from llamabox.http.message import Response, error_response

if TYPE_CHECKING:
    from llamabox._core import ModelInfo


class Need(Enum):
    """What a route needs of the server."""

    NOTHING = "nothing"
    # A model that generates, on a server that was not started to rank.
    TEXT = "text"
    EMBEDDINGS = "embeddings"
    RANKS = "ranks"


def refusal(need: Need, config: EncoderConfig, info: ModelInfo) -> Response | None:
    """Why a route with this need is not served; None when it is."""
    if need is Need.TEXT and not info.generates:
        if config.ranks:
            return _unsuited("the server was started with --rerank and generates no text")
        return _unsuited("the model generates no text: it only encodes it")
    if need is Need.EMBEDDINGS and not config.embeds:
        return _missing("embeddings need the flag --embeddings or --rerank")
    if need is Need.RANKS and not config.ranks:
        return _missing("reranking needs the flag --rerank")
    if need is Need.RANKS and not info.has_rank_head:
        return _unsuited("the model has no classifier to rank with: it is no reranker")
    return None


def _missing(message: str) -> Response:
    return error_response(404, message, "not_found_error")


def _unsuited(message: str) -> Response:
    return error_response(403, message, "permission_error")
