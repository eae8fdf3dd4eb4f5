"""
The engine of llamabox. Nothing here blocks unless its description says so.
"""

from __future__ import annotations

import collections.abc
import typing

from llamabox.errors import LlamaboxError

__all__: list[str] = [
    "ChatMessage",
    "ChatParams",
    "ChatPrompt",
    "ContextParams",
    "Continuation",
    "Device",
    "Engine",
    "EngineParams",
    "Event",
    "FlashAttn",
    "GenerateRequest",
    "Histogram",
    "LlamaParams",
    "LogLevel",
    "LoraScale",
    "ModelInfo",
    "ModelParams",
    "Models",
    "RenderRequest",
    "Request",
    "Result",
    "SamplingParams",
    "SideCall",
    "SideKind",
    "SideRequest",
    "Stats",
    "TextPrompt",
    "TokenPrompt",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "Usage",
    "build_info",
    "init_backends",
    "list_buffer_types",
    "list_devices",
    "load_models",
    "send_log_lines",
    "system_info",
]

class ToolCall:
    """
    A call that the assistant made; arguments are JSON text.
    """
    def __init__(self, *, id: str = "", name: str, arguments: str) -> None: ...
    @property
    def arguments(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...

class ChatMessage:
    """
    One message of a conversation; content is plain text.
    """
    def __init__(
        self,
        *,
        role: str,
        content: str,
        reasoning_content: str = "",
        tool_calls: collections.abc.Sequence[ToolCall] = [],
        tool_call_id: str = "",
        name: str = "",
    ) -> None: ...
    @property
    def content(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def reasoning_content(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def tool_call_id(self) -> str: ...
    @property
    def tool_calls(self) -> list[ToolCall]: ...

class Tool:
    """
    A function the model may call; parameters are a JSON schema as text.
    """
    def __init__(self, *, name: str, description: str = "", parameters: str = "{}") -> None: ...
    @property
    def description(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def parameters(self) -> str: ...

class ToolChoice:
    """
    Whether the model must call.

    Members:

      AUTO

      REQUIRED
    """

    AUTO: typing.ClassVar[ToolChoice]
    REQUIRED: typing.ClassVar[ToolChoice]
    __members__: typing.ClassVar[dict[str, ToolChoice]]
    @typing.overload
    def __eq__(self, other: ToolChoice) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: ToolChoice) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class Continuation:
    """
    Which part of the last message is continued.

    Members:

      NONE

      AUTO

      CONTENT

      REASONING
    """

    AUTO: typing.ClassVar[Continuation]
    CONTENT: typing.ClassVar[Continuation]
    NONE: typing.ClassVar[Continuation]
    REASONING: typing.ClassVar[Continuation]
    __members__: typing.ClassVar[dict[str, Continuation]]
    @typing.overload
    def __eq__(self, other: Continuation) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Continuation) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class ChatPrompt:
    """
    A conversation, rendered by the model's template.
    """
    def __init__(
        self,
        *,
        messages: collections.abc.Sequence[ChatMessage],
        add_generation_prompt: bool = True,
        tools: collections.abc.Sequence[Tool] = [],
        tool_choice: ToolChoice = ...,
        parallel_tool_calls: bool = True,
        continuation: Continuation = ...,
        enable_thinking: bool = True,
        template_kwargs: collections.abc.Mapping[str, str] = {},
    ) -> None: ...
    @property
    def add_generation_prompt(self) -> bool: ...
    @property
    def continuation(self) -> Continuation: ...
    @property
    def enable_thinking(self) -> bool: ...
    @property
    def messages(self) -> list[ChatMessage]: ...
    @property
    def parallel_tool_calls(self) -> bool: ...
    @property
    def template_kwargs(self) -> dict[str, str]: ...
    @property
    def tool_choice(self) -> ToolChoice: ...
    @property
    def tools(self) -> list[Tool]: ...

class TextPrompt:
    """
    Text to be tokenized as it is.
    """
    def __init__(self, *, text: str) -> None: ...
    @property
    def text(self) -> str: ...

class TokenPrompt:
    """
    Token ids, taken as they are.
    """
    def __init__(
        self, *, tokens: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]
    ) -> None: ...
    @property
    def tokens(self) -> list[int]: ...

class SamplingParams:
    """
    How the next token is chosen; see each default.
    """
    def __init__(
        self,
        *,
        seed: typing.SupportsInt | typing.SupportsIndex | None = None,
        temperature: typing.SupportsFloat | typing.SupportsIndex = 0.800000011920929,
        top_k: typing.SupportsInt | typing.SupportsIndex = 40,
        top_p: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071,
        min_p: typing.SupportsFloat | typing.SupportsIndex = 0.05000000074505806,
        repeat_last_n: typing.SupportsInt | typing.SupportsIndex = 64,
        repeat_penalty: typing.SupportsFloat | typing.SupportsIndex = 1.0,
        frequency_penalty: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        presence_penalty: typing.SupportsFloat | typing.SupportsIndex = 0.0,
    ) -> None: ...
    @property
    def frequency_penalty(self) -> float: ...
    @property
    def min_p(self) -> float: ...
    @property
    def presence_penalty(self) -> float: ...
    @property
    def repeat_last_n(self) -> int: ...
    @property
    def repeat_penalty(self) -> float: ...
    @property
    def seed(self) -> int | None: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def top_p(self) -> float: ...

class SideKind:
    """
    What a SideRequest asks for.

    Members:

      EMBED

      RERANK

      SET_LORA

      SLOT_SAVE

      SLOT_RESTORE

      SLOT_ERASE
    """

    EMBED: typing.ClassVar[SideKind]
    RERANK: typing.ClassVar[SideKind]
    SET_LORA: typing.ClassVar[SideKind]
    SLOT_ERASE: typing.ClassVar[SideKind]
    SLOT_RESTORE: typing.ClassVar[SideKind]
    SLOT_SAVE: typing.ClassVar[SideKind]
    __members__: typing.ClassVar[dict[str, SideKind]]
    @typing.overload
    def __eq__(self, other: SideKind) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: SideKind) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class LoraScale:
    """
    The weight of one loaded adapter.
    """
    def __init__(
        self,
        *,
        id: typing.SupportsInt | typing.SupportsIndex,
        scale: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...
    @property
    def id(self) -> int: ...
    @property
    def scale(self) -> float: ...

class SideCall:
    """
    A call that runs between steps.
    """
    def __init__(
        self,
        *,
        kind: SideKind,
        loras: collections.abc.Sequence[LoraScale] = [],
        slot: typing.SupportsInt | typing.SupportsIndex = -1,
        file: str = "",
    ) -> None: ...
    @property
    def file(self) -> str: ...
    @property
    def kind(self) -> SideKind: ...
    @property
    def loras(self) -> list[LoraScale]: ...
    @property
    def slot(self) -> int: ...

class GenerateRequest:
    """
    Ask for text; max_tokens -1 is until the context is full.
    """
    def __init__(
        self,
        *,
        prompt: TextPrompt | TokenPrompt | ChatPrompt,
        sampling: SamplingParams = ...,
        max_tokens: typing.SupportsInt | typing.SupportsIndex = -1,
        n: typing.SupportsInt | typing.SupportsIndex = 1,
        stop: collections.abc.Sequence[str] = [],
    ) -> None: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def prompt(self) -> TextPrompt | TokenPrompt | ChatPrompt: ...
    @property
    def sampling(self) -> SamplingParams: ...
    @property
    def stop(self) -> list[str]: ...

class RenderRequest:
    """
    Ask for the prompt as the model would see it.
    """
    def __init__(self, *, prompt: TextPrompt | TokenPrompt | ChatPrompt) -> None: ...
    @property
    def prompt(self) -> TextPrompt | TokenPrompt | ChatPrompt: ...

class SideRequest:
    """
    Ask for a call; inputs become those of the call.
    """
    def __init__(
        self,
        *,
        call: SideCall,
        inputs: collections.abc.Sequence[TextPrompt | TokenPrompt | ChatPrompt] = [],
    ) -> None: ...
    @property
    def call(self) -> SideCall: ...
    @property
    def inputs(self) -> list[TextPrompt | TokenPrompt | ChatPrompt]: ...

class Request:
    """
    What submit() takes; a higher priority is admitted first.
    """
    def __init__(
        self,
        *,
        body: GenerateRequest | RenderRequest | SideRequest,
        class_key: typing.SupportsInt | typing.SupportsIndex = 0,
        priority: typing.SupportsInt | typing.SupportsIndex = 0,
        deadline_ns: typing.SupportsInt | typing.SupportsIndex = 9223372036854775807,
    ) -> None: ...
    @property
    def body(self) -> GenerateRequest | RenderRequest | SideRequest: ...
    @property
    def class_key(self) -> int: ...
    @property
    def deadline_ns(self) -> int: ...
    @property
    def priority(self) -> int: ...

class EngineParams:
    """
    Sizes and targets of an engine.
    """
    def __init__(
        self,
        *,
        n_slots: typing.SupportsInt | typing.SupportsIndex = 4,
        n_queue: typing.SupportsInt | typing.SupportsIndex = 256,
        n_queue_contexts: typing.SupportsInt | typing.SupportsIndex = 4,
        n_prompt_workers: typing.SupportsInt | typing.SupportsIndex = 1,
        itl_target_ms: typing.SupportsFloat | typing.SupportsIndex = 200.0,
    ) -> None: ...
    @property
    def itl_target_ms(self) -> float: ...
    @property
    def n_prompt_workers(self) -> int: ...
    @property
    def n_queue(self) -> int: ...
    @property
    def n_queue_contexts(self) -> int: ...
    @property
    def n_slots(self) -> int: ...

class ToolCallDelta:
    """
    More of one tool call.
    """
    @property
    def arguments(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def name(self) -> str: ...

class Usage:
    """
    Token counts and times (ms) of a request.
    """
    @property
    def decode_ms(self) -> float: ...
    @property
    def n_cached(self) -> int: ...
    @property
    def n_draft(self) -> int: ...
    @property
    def n_draft_accepted(self) -> int: ...
    @property
    def n_generated(self) -> int: ...
    @property
    def n_prompt(self) -> int: ...
    @property
    def n_reasoning(self) -> int: ...
    @property
    def queue_ms(self) -> float: ...
    @property
    def ttft_ms(self) -> float: ...

class Result:
    """
    What other kinds than generate return.
    """
    @property
    def embeddings(self) -> list[list[float]]: ...
    @property
    def scores(self) -> list[float]: ...
    @property
    def text(self) -> str: ...
    @property
    def tokens(self) -> list[int]: ...

class Event:
    """
    News of one request; see `kind`.
    """
    @property
    def choice(self) -> int: ...
    @property
    def error(self) -> LlamaboxError | None: ...
    @property
    def finish(
        self,
    ) -> typing.Literal["", "stop", "length", "tool_calls", "cancelled", "error"]: ...
    @property
    def kind(self) -> typing.Literal["delta", "finish", "done"]: ...
    @property
    def reasoning(self) -> str: ...
    @property
    def request(self) -> int: ...
    @property
    def result(self) -> Result | None: ...
    @property
    def text(self) -> str: ...
    @property
    def tool_calls(self) -> list[ToolCallDelta]: ...
    @property
    def usage(self) -> Usage: ...

class Histogram:
    """
    Counts by upper bound, not cumulative.
    """
    @property
    def bounds(self) -> list[float]: ...
    @property
    def counts(self) -> list[int]: ...
    @property
    def sum(self) -> float: ...

class Stats:
    """
    A snapshot of the engine.
    """
    @property
    def decode_seconds(self) -> float: ...
    @property
    def healthy(self) -> bool: ...
    @property
    def n_cached_tokens(self) -> int: ...
    @property
    def n_draft_accepted(self) -> int: ...
    @property
    def n_draft_tokens(self) -> int: ...
    @property
    def n_generated_tokens(self) -> int: ...
    @property
    def n_kv_cells(self) -> int: ...
    @property
    def n_kv_used(self) -> int: ...
    @property
    def n_preempted(self) -> int: ...
    @property
    def n_prompt_tokens(self) -> int: ...
    @property
    def n_requests(self) -> int: ...
    @property
    def n_slots(self) -> int: ...
    @property
    def n_slots_busy(self) -> int: ...
    @property
    def n_steps(self) -> int: ...
    @property
    def n_waiting(self) -> int: ...
    @property
    def prefill_seconds(self) -> float: ...
    @property
    def step_ms(self) -> Histogram: ...
    @property
    def ttft_ms(self) -> Histogram: ...

class ModelInfo:
    """
    Facts about a loaded model.
    """
    @property
    def architecture(self) -> str: ...
    @property
    def has_chat_template(self) -> bool: ...
    @property
    def n_ctx_train(self) -> int: ...
    @property
    def n_embd(self) -> int: ...
    @property
    def n_params(self) -> int: ...
    @property
    def n_vocab(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def supports_thinking(self) -> bool: ...
    @property
    def supports_tools(self) -> bool: ...
    @property
    def vocab_type(self) -> str: ...

class Models:
    """
    A loaded model; one engine takes it over.
    """

class Engine:
    """
    Runs requests on its own thread; see cpp/engine/README.md.
    """
    def __init__(self, models: Models, params: EngineParams) -> None: ...
    def cancel(self, id: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Never blocks; unknown ids are ignored.
        """
    def detokenize(
        self,
        tokens: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
        render_special: bool = False,
    ) -> str: ...
    def drain(self) -> list[Event]:
        """
        Take every event that waits.
        """
    def pieces(
        self, tokens: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]
    ) -> list[bytes]:
        """
        The bytes of each token, special ones as text.
        """
    def start(self) -> None: ...
    def stats(self) -> Stats: ...
    def stop(self) -> None:
        """
        End every request with UnavailableError; returns when the threads have ended.
        """
    def submit(self, request: Request) -> int:
        """
        Accept a request and return its id. The request is consumed: it is empty afterwards.
        """
    def tokenize(
        self, text: str, *, add_special: bool = False, parse_special: bool = True
    ) -> list[int]: ...
    def wake_fd(self) -> int:
        """
        Readable while events wait for drain().
        """
    @property
    def info(self) -> ModelInfo: ...
    @property
    def n_ctx(self) -> int:
        """
        Tokens that one sequence may hold.
        """

class FlashAttn:
    """
    Members:

      AUTO

      OFF

      ON
    """

    AUTO: typing.ClassVar[FlashAttn]
    OFF: typing.ClassVar[FlashAttn]
    ON: typing.ClassVar[FlashAttn]
    __members__: typing.ClassVar[dict[str, FlashAttn]]
    @typing.overload
    def __eq__(self, other: FlashAttn) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: FlashAttn) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class ModelParams:
    """
    Which file, and where its weights go.
    """
    def __init__(
        self,
        *,
        model_path: str,
        n_gpu_layers: typing.SupportsInt | typing.SupportsIndex = -1,
        use_mmap: bool = True,
        use_mlock: bool = False,
    ) -> None: ...
    @property
    def model_path(self) -> str: ...
    @property
    def n_gpu_layers(self) -> int: ...
    @property
    def use_mlock(self) -> bool: ...
    @property
    def use_mmap(self) -> bool: ...

class ContextParams:
    """
    The KV cells, batches and threads of a context.
    """
    def __init__(
        self,
        *,
        n_ctx: typing.SupportsInt | typing.SupportsIndex = 4096,
        n_batch: typing.SupportsInt | typing.SupportsIndex = 2048,
        n_ubatch: typing.SupportsInt | typing.SupportsIndex = 512,
        n_slots: typing.SupportsInt | typing.SupportsIndex = 4,
        n_threads: typing.SupportsInt | typing.SupportsIndex = 0,
        n_threads_batch: typing.SupportsInt | typing.SupportsIndex = 0,
        flash_attn: FlashAttn = FlashAttn.AUTO,
        kv_unified: bool = True,
        swa_full: bool = False,
        kv_offload: bool = True,
        cache_type_k: str = "f16",
        cache_type_v: str = "f16",
        warmup: bool = True,
    ) -> None: ...
    @property
    def cache_type_k(self) -> str: ...
    @property
    def cache_type_v(self) -> str: ...
    @property
    def flash_attn(self) -> FlashAttn: ...
    @property
    def kv_offload(self) -> bool: ...
    @property
    def kv_unified(self) -> bool: ...
    @property
    def n_batch(self) -> int: ...
    @property
    def n_ctx(self) -> int: ...
    @property
    def n_slots(self) -> int: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def n_threads_batch(self) -> int: ...
    @property
    def n_ubatch(self) -> int: ...
    @property
    def swa_full(self) -> bool: ...
    @property
    def warmup(self) -> bool: ...

class ChatParams:
    """
    The chat template instead of the model's own.
    """
    def __init__(self, *, template_name: str = "", template_source: str = "") -> None: ...
    @property
    def template_name(self) -> str: ...
    @property
    def template_source(self) -> str: ...

class LlamaParams:
    """
    What a text model is loaded with.
    """
    def __init__(
        self, *, model: ModelParams, context: ContextParams = ..., chat: ChatParams = ...
    ) -> None: ...
    @property
    def chat(self) -> ChatParams: ...
    @property
    def context(self) -> ContextParams: ...
    @property
    def model(self) -> ModelParams: ...

class LogLevel:
    """
    Members:

      DEBUG

      INFO

      WARNING

      ERROR
    """

    DEBUG: typing.ClassVar[LogLevel]
    ERROR: typing.ClassVar[LogLevel]
    INFO: typing.ClassVar[LogLevel]
    WARNING: typing.ClassVar[LogLevel]
    __members__: typing.ClassVar[dict[str, LogLevel]]
    @typing.overload
    def __eq__(self, other: LogLevel) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: LogLevel) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class Device:
    """
    A device that llama.cpp can compute on.
    """
    @property
    def description(self) -> str: ...
    @property
    def is_gpu(self) -> bool: ...
    @property
    def memory_free_bytes(self) -> int: ...
    @property
    def memory_total_bytes(self) -> int: ...
    @property
    def name(self) -> str: ...

def build_info() -> dict[str, str]: ...
def init_backends() -> None:
    """
    Idempotent; before anything else of this module.
    """

def list_buffer_types() -> list[str]: ...
def list_devices() -> list[Device]: ...
def load_models(params: LlamaParams) -> Models:
    """
    Load a model file; takes seconds to minutes and lets other Python threads run.
    """

def send_log_lines(fd: typing.SupportsInt | typing.SupportsIndex, least: LogLevel) -> None:
    """
    Write upstream's lines at or above a level to a non-blocking descriptor.
    """

def system_info() -> str: ...
