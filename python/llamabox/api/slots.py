"""POST /slots/{id}?action=save|restore|erase: what a free slot holds, to a file and back.

The engine hands over and takes bytes between two steps; files are read, written and hashed in a
thread, so that neither the loop nor the engine waits for a disk.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import orjson

from llamabox.api.call import Call
from llamabox.api.checks import refuse
from llamabox.api.json_body import parse_object
from llamabox.api.schema import SLOT_FILE, read_fields
from llamabox.api.sharing import share_group
from llamabox.api.single import run_single
from llamabox.errors import InternalError, NotFoundError
from llamabox.http.message import HttpError, Response, error_response
from llamabox.slot_files import SlotFile, SlotFolder

if TYPE_CHECKING:
    from llamabox import _core

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


async def slot_action(call: Call) -> Response:
    """Save, restore or erase. Raises LlamaboxError, and HttpError when the disk fails."""
    folder = call.engine.slot_folder
    if folder is None:
        return error_response(
            404, "slots are not saved: the server needs --slot-save-path", "not_found_error"
        )
    actions = parse_qs(call.request.query).get("action", [])
    action = _ACTIONS.get(actions[0]) if len(actions) == 1 else None
    if action is None:
        refuse("action", f"must be one of {', '.join(_ACTIONS)}, given once in the query")
    slot = _slot_of(call)
    try:
        body = await action(call, folder, slot)
    except OSError as error:
        status = 507 if error.errno in _FULL else 500
        raise HttpError(status, f"the slot cannot be saved: {error.strerror}") from error
    return Response(200, orjson.dumps({"id_slot": slot, **body}))


def _slot_of(call: Call) -> int:
    name = call.request.path.rpartition("/")[2]
    if not (name.isascii() and name.isdigit() and len(name) < 10):
        raise NotFoundError("the last part of the path must be the number of a slot", "id_slot")
    return int(name)


def _file_name(call: Call) -> str:
    values = read_fields(parse_object(call.request.body), SLOT_FILE)["slot"]
    if "filename" not in values:
        refuse("filename", "is required")
    return str(values["filename"])


async def _save(call: Call, folder: SlotFolder, slot: int) -> dict[str, Any]:
    name = _file_name(call)
    began = time.perf_counter()
    result = await _run(call, slot, call.engine.core.SideKind.SLOT_SAVE)
    saved = result.saved
    if saved is None:
        raise InternalError("the engine saved nothing")

    def write() -> int:
        file = SlotFile(saved.tokens, saved.n_exact, saved.loras, saved.state)
        return folder.write(name, file)

    n_bytes = await asyncio.get_running_loop().run_in_executor(None, write)
    return {
        "filename": name,
        "n_saved": result.n_slot_tokens,
        "n_written": n_bytes,
        "timings": {"save_ms": _ms_since(began)},
    }


async def _restore(call: Call, folder: SlotFolder, slot: int) -> dict[str, Any]:
    name = _file_name(call)
    began = time.perf_counter()
    core = call.engine.core

    def read() -> tuple[_core.SavedSlot, int]:
        file = folder.read(name, call.engine.n_ctx)
        saved = core.SavedSlot(
            tokens=file.tokens, n_exact=file.n_exact, loras=file.loras, state=file.state
        )
        return saved, file.n_bytes

    saved, n_bytes = await asyncio.get_running_loop().run_in_executor(None, read)
    group = share_group(call)
    result = await _run(call, slot, core.SideKind.SLOT_RESTORE, saved=saved, share_group=group)
    return {
        "filename": name,
        "n_restored": result.n_slot_tokens,
        "n_read": n_bytes,
        "timings": {"restore_ms": _ms_since(began)},
    }


async def _erase(call: Call, folder: SlotFolder, slot: int) -> dict[str, Any]:
    result = await _run(call, slot, call.engine.core.SideKind.SLOT_ERASE)
    return {"n_erased": result.n_slot_tokens}


async def _run(call: Call, slot: int, kind: _core.SideKind, **fields: Any) -> _core.Result:
    core = call.engine.core
    side = core.SideCall(kind=kind, slot=slot, **fields)
    event = await run_single(call, core.Request(body=core.SideRequest(call=side)))
    if event.result is None:
        raise HttpError(408, "the client closed the connection")
    return event.result


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000


_ACTIONS: dict[str, Callable[[Call, SlotFolder, int], Awaitable[dict[str, Any]]]] = {
    "save": _save,
    "restore": _restore,
    "erase": _erase,
}

ACTION = (
    {"name": "id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}},
    {
        "name": "action",
        "in": "query",
        "required": True,
        "schema": {"type": "string", "enum": list(_ACTIONS)},
    },
)
