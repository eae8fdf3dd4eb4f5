"""POST /v1/audio/transcriptions: a sound as a file, answered with what is said in it.

The sound is put to the model as a conversation with one instruction. Covered by
tests/py/api/test_transcriptions.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from llamabox.api.call import Call
from llamabox.api.chat import ChatShape
from llamabox.api.checks import refuse
from llamabox.api.completion import Job, build_requests, client_gone, drive
from llamabox.api.conversation import chat_prompt
from llamabox.api.gathering import Collector
from llamabox.api.media_parts import MediaPart
from llamabox.api.reply import new_reply
from llamabox.api.schema import CHAT, read_fields
from llamabox.api.tools import offer_of
from llamabox.api.usage import usage_object
from llamabox.errors import UnsupportedError
from llamabox.http.message import Response
from llamabox.http.multipart import Part, parse_form

if TYPE_CHECKING:
    from llamabox import _core

MAX_PROMPT_BYTES = 64 * 1024

_INSTRUCTION = "Transcribe the audio to text."
_FORMATS = ("json", "text", "verbose_json")
_REFUSED = {
    "timestamp_granularities[]": "is not available: this server measures no times of words",
    "timestamp_granularities": "is not available: this server measures no times of words",
    "chunking_strategy": "is not available in this version",
    "known_speaker_names[]": "is not available: this server tells no speakers apart",
    "include[]": "is not available in this version",
}


@dataclass(frozen=True, slots=True)
class _Form:
    """The fields of the form that count here."""

    file: bytes
    instruction: str
    temperature: float
    answer: str


async def transcriptions(call: Call) -> Response:
    """Answer with the text as json, as plain text, or with the sound's duration."""
    content_type = call.request.headers.get("content-type") or ""
    body = call.request.body
    loop = asyncio.get_running_loop()
    form = _read(await loop.run_in_executor(None, parse_form, content_type, body))
    if not call.engine.info.hears_audio:
        raise UnsupportedError("the model hears no audio: it has no projector that does", "file")
    core = call.engine.core
    place = await loop.run_in_executor(None, call.media.sound, core, form.file, "file")
    job = _job(call, form, place)
    collector = Collector(len(job.requests), job.reply)
    await drive(call, job, collector)
    if collector.cancelled:
        return client_gone()
    text = collector.choices()[0].text.strip()
    if form.answer == "text":
        return Response(200, f"{text}\n".encode(), "text/plain; charset=utf-8")
    answer: dict[str, Any] = {"text": text, "usage": _usage(collector.usages)}
    if form.answer == "verbose_json":
        seconds = sum(usage.audio_seconds for usage in collector.usages)
        answer = {"task": "transcribe", "language": None, "duration": seconds, **answer}
    return Response(200, orjson.dumps(answer))


def _read(parts: list[Part]) -> _Form:
    """Raises InvalidArgumentError, naming the field."""
    files = [part for part in parts if part.name == "file"]
    if len(files) != 1 or not files[0].data:
        refuse("file", "is required once, as a file that is not empty")
    fields = {part.name: _text(part) for part in parts if part.name != "file"}
    for name, why in _REFUSED.items():
        if name in fields:
            refuse(name, why)
    if fields.get("stream", "false").lower() not in ("false", "0", ""):
        refuse("stream", "is not available here: the text comes as a whole")
    answer = fields.get("response_format", "json")
    if answer not in _FORMATS:
        refuse("response_format", f"must be one of {', '.join(map(repr, _FORMATS))}")
    return _Form(files[0].data, _instruction(fields), _temperature(fields), answer)


def _instruction(fields: dict[str, str]) -> str:
    said = [_INSTRUCTION]
    if fields.get("language"):
        said.append(f"The language is {fields['language']}.")
    if fields.get("prompt"):
        said.append(fields["prompt"])
    return " ".join(said)


def _text(part: Part) -> str:
    if len(part.data) > MAX_PROMPT_BYTES:
        refuse(part.name, f"has more than {MAX_PROMPT_BYTES} bytes")
    try:
        return part.data.decode()
    except UnicodeDecodeError:
        refuse(part.name, "must be UTF-8 text")


def _temperature(fields: dict[str, str]) -> float:
    try:
        temperature = float(fields.get("temperature") or 0)
    except ValueError:
        refuse("temperature", "must be a number")
    if not 0 <= temperature <= 2:
        refuse("temperature", "must be 0 to 2")
    return temperature


def _job(call: Call, form: _Form, place: _core.MediaPlace) -> Job:
    message = {"role": "user", "content": form.instruction}
    values = read_fields({"messages": [message], "temperature": form.temperature}, CHAT)
    (asked,) = values["prompt"]["messages"]
    sound = MediaPart("audio", "file", "", 0)
    values["prompt"]["messages"] = [replace(asked, media=(sound,))]
    offer = offer_of(values["tools"])
    config = call.settings.config.chat
    prompt = chat_prompt(call.engine.core, config, values["prompt"], offer, {"file": place})
    requests = build_requests(call, [prompt], values)
    reply = new_reply("transcription-", call.settings.alias, 1, values["reply"], False)
    return Job(requests, 1, "file", "file", ChatShape(reply), reply)


def _usage(usages: Any) -> dict[str, Any]:
    """As OpenAI counts tokens of a transcription."""
    usage = usage_object(usages, 1)
    n_audio = usage["prompt_tokens_details"].get("audio_tokens", 0)
    return {
        "type": "tokens",
        "input_tokens": usage["prompt_tokens"],
        "input_token_details": {
            "text_tokens": usage["prompt_tokens"] - n_audio,
            "audio_tokens": n_audio,
        },
        "output_tokens": usage["completion_tokens"],
        "total_tokens": usage["total_tokens"],
    }
