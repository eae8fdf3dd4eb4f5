"""POST /infill: the text of a gap, in the shape of POST /completion."""

from __future__ import annotations

from llamabox.api.call import Call
from llamabox.api.completion import build_requests
from llamabox.api.json_body import read_body
from llamabox.api.native import answer
from llamabox.api.native_fields import INFILL
from llamabox.api.schema import read_fields
from llamabox.http.message import Response


async def infill(call: Call) -> Response | None:
    """Fill one gap; ``prompt`` is what of it is written already."""
    values = await read_body(call.request.body, lambda body: read_fields(body, INFILL))
    core, fields = call.engine.core, values["prompt"]
    prompt = core.InfillPrompt(
        prefix=fields["prefix"],
        suffix=fields["suffix"],
        begun=fields.get("begun", ""),
        files=[core.InfillFile(name=name, text=text) for name, text in fields.get("files", [])],
    )
    requests = build_requests(call, [prompt], values)
    return await answer(call, requests, values, "input_prefix", is_array=False)
