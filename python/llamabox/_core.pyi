"""
The engine of llamabox. Nothing here blocks unless its description says so.
"""

from __future__ import annotations

import collections.abc
import typing

import typing_extensions

from llamabox.event import Event

__all__: list[str] = [
    "AdapterFile",
    "AdapterParams",
    "Attention",
    "ChatMessage",
    "ChatParams",
    "ChatPrompt",
    "ContextParams",
    "Continuation",
    "Device",
    "DeviceRoom",
    "DraftModelParams",
    "EncodeKind",
    "EncodeRequest",
    "EncoderParams",
    "Engine",
    "EngineParams",
    "FlashAttn",
    "GenerateRequest",
    "GgufOverride",
    "Grammar",
    "Histogram",
    "ImageDevices",
    "ImageEngine",
    "ImageEngineParams",
    "ImageEvent",
    "ImageFiles",
    "ImageLora",
    "ImageLoraInfo",
    "ImageModel",
    "ImageModelInfo",
    "ImageModelParams",
    "ImageRequest",
    "ImageStats",
    "ImageUsage",
    "InfillFile",
    "InfillPrompt",
    "LlamaParams",
    "LogLevel",
    "LogitBias",
    "LoraInfo",
    "LoraScale",
    "MediaPlace",
    "ModelInfo",
    "ModelParams",
    "Models",
    "Numa",
    "Offload",
    "OffloadPlan",
    "PairPrompt",
    "Pixels",
    "Pooling",
    "Preview",
    "ProjectorParams",
    "RenderRequest",
    "Request",
    "Result",
    "RopeParams",
    "RopeScaling",
    "RpcCounts",
    "RpcEndpoint",
    "RpcParams",
    "RpcSeatStats",
    "RpcServer",
    "RpcStats",
    "SamplingParams",
    "SavedSlot",
    "SideCall",
    "SideKind",
    "SideRequest",
    "SkipLayers",
    "SlotStats",
    "SpeculationParams",
    "SplitMode",
    "Stats",
    "TensorPlacement",
    "TextPrompt",
    "ThreadPlacement",
    "TokenChance",
    "TokenIds",
    "TokenLogprobs",
    "TokenPrompt",
    "Tool",
    "ToolCall",
    "ToolCallDelta",
    "ToolChoice",
    "Usage",
    "add_rpc_servers",
    "build_info",
    "has_images",
    "image_samplers",
    "image_schedules",
    "init_backends",
    "list_buffer_types",
    "list_devices",
    "load_backend",
    "load_image_model",
    "load_models",
    "plan_offload",
    "send_log_lines",
    "system_info",
]

class MediaPlace:
    """
    A picture (RGB bytes and its size) or a sound (a file), before byte `at` of a message's content.
    """
    def __init__(
        self,
        *,
        content: typing_extensions.Buffer,
        hash: typing.SupportsInt | typing.SupportsIndex,
        size: tuple[
            typing.SupportsInt | typing.SupportsIndex, typing.SupportsInt | typing.SupportsIndex
        ]
        | None = None,
        at: typing.SupportsInt | typing.SupportsIndex = 0,
        path: str = "",
    ) -> None: ...
    @property
    def at(self) -> int: ...
    @property
    def path(self) -> str: ...

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
        media: collections.abc.Sequence[MediaPlace] = [],
    ) -> None: ...
    @property
    def content(self) -> str: ...
    @property
    def media(self) -> list[MediaPlace]: ...
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
        answer_schema: str = "",
        continuation: Continuation = ...,
        enable_thinking: bool = True,
        template_kwargs: collections.abc.Mapping[str, str] = {},
    ) -> None: ...
    @property
    def add_generation_prompt(self) -> bool: ...
    @property
    def answer_schema(self) -> str: ...
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

class InfillFile:
    """
    Another file of the project around a gap.
    """
    def __init__(self, *, name: str, text: str) -> None: ...
    @property
    def name(self) -> str: ...
    @property
    def text(self) -> str: ...

class InfillPrompt:
    """
    A gap in a text; begun is what is written of it already.
    """
    def __init__(
        self,
        *,
        prefix: str,
        suffix: str,
        begun: str = "",
        files: collections.abc.Sequence[InfillFile] = [],
    ) -> None: ...
    @property
    def begun(self) -> str: ...
    @property
    def files(self) -> list[InfillFile]: ...
    @property
    def prefix(self) -> str: ...
    @property
    def suffix(self) -> str: ...

class Grammar:
    """
    A GBNF grammar; text_only leaves control tokens out of it.
    """
    def __init__(self, *, text: str, text_only: bool = False) -> None: ...
    @property
    def text(self) -> str: ...
    @property
    def text_only(self) -> bool: ...

class LogitBias:
    """
    Added to the logit of a token or to those of a text.
    """
    def __init__(
        self,
        *,
        token: typing.SupportsInt | typing.SupportsIndex = -1,
        text: str = "",
        bias: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None: ...
    @property
    def bias(self) -> float: ...
    @property
    def text(self) -> str: ...
    @property
    def token(self) -> int: ...

class SamplingParams:
    """
    How the next token is chosen; see each default.
    """
    def __init__(
        self,
        *,
        seed: typing.SupportsInt | typing.SupportsIndex | None = None,
        samplers: collections.abc.Sequence[str] = [
            "penalties",
            "dry",
            "top_n_sigma",
            "top_k",
            "typ_p",
            "top_p",
            "min_p",
            "xtc",
            "temperature",
        ],
        temperature: typing.SupportsFloat | typing.SupportsIndex = 0.800000011920929,
        dynatemp_range: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        dynatemp_exponent: typing.SupportsFloat | typing.SupportsIndex = 1.0,
        top_k: typing.SupportsInt | typing.SupportsIndex = 40,
        top_p: typing.SupportsFloat | typing.SupportsIndex = 0.949999988079071,
        min_p: typing.SupportsFloat | typing.SupportsIndex = 0.05000000074505806,
        typical_p: typing.SupportsFloat | typing.SupportsIndex = 1.0,
        top_n_sigma: typing.SupportsFloat | typing.SupportsIndex = -1.0,
        xtc_probability: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        xtc_threshold: typing.SupportsFloat | typing.SupportsIndex = 0.10000000149011612,
        min_keep: typing.SupportsInt | typing.SupportsIndex = 0,
        mirostat: typing.SupportsInt | typing.SupportsIndex = 0,
        mirostat_tau: typing.SupportsFloat | typing.SupportsIndex = 5.0,
        mirostat_eta: typing.SupportsFloat | typing.SupportsIndex = 0.10000000149011612,
        repeat_last_n: typing.SupportsInt | typing.SupportsIndex = 64,
        repeat_penalty: typing.SupportsFloat | typing.SupportsIndex = 1.0,
        frequency_penalty: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        presence_penalty: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        dry_multiplier: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        dry_base: typing.SupportsFloat | typing.SupportsIndex = 1.75,
        dry_allowed_length: typing.SupportsInt | typing.SupportsIndex = 2,
        dry_penalty_last_n: typing.SupportsInt | typing.SupportsIndex = -1,
        dry_sequence_breakers: collections.abc.Sequence[str] = ["\n", ":", '"', "*"],
        logit_bias: collections.abc.Sequence[LogitBias] = [],
        ignore_eos: bool = False,
        grammar: Grammar = ...,
        json_schema: str = "",
    ) -> None: ...
    @property
    def dry_allowed_length(self) -> int: ...
    @property
    def dry_base(self) -> float: ...
    @property
    def dry_multiplier(self) -> float: ...
    @property
    def dry_penalty_last_n(self) -> int: ...
    @property
    def dry_sequence_breakers(self) -> list[str]: ...
    @property
    def dynatemp_exponent(self) -> float: ...
    @property
    def dynatemp_range(self) -> float: ...
    @property
    def frequency_penalty(self) -> float: ...
    @property
    def grammar(self) -> Grammar: ...
    @property
    def ignore_eos(self) -> bool: ...
    @property
    def json_schema(self) -> str: ...
    @property
    def logit_bias(self) -> list[LogitBias]: ...
    @property
    def min_keep(self) -> int: ...
    @property
    def min_p(self) -> float: ...
    @property
    def mirostat(self) -> int: ...
    @property
    def mirostat_eta(self) -> float: ...
    @property
    def mirostat_tau(self) -> float: ...
    @property
    def presence_penalty(self) -> float: ...
    @property
    def repeat_last_n(self) -> int: ...
    @property
    def repeat_penalty(self) -> float: ...
    @property
    def samplers(self) -> list[str]: ...
    @property
    def seed(self) -> int | None: ...
    @property
    def temperature(self) -> float: ...
    @property
    def top_k(self) -> int: ...
    @property
    def top_n_sigma(self) -> float: ...
    @property
    def top_p(self) -> float: ...
    @property
    def typical_p(self) -> float: ...
    @property
    def xtc_probability(self) -> float: ...
    @property
    def xtc_threshold(self) -> float: ...

class SavedSlot:
    """
    What a slot held; a buffer of its state. A restore takes the state away.
    """
    def __init__(
        self,
        *,
        tokens: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
        n_exact: typing.SupportsInt | typing.SupportsIndex,
        loras: collections.abc.Sequence[
            tuple[
                typing.SupportsInt | typing.SupportsIndex,
                typing.SupportsFloat | typing.SupportsIndex,
            ]
        ],
        state: typing_extensions.Buffer,
    ) -> None: ...
    @property
    def loras(self) -> list[tuple[int, float]]: ...
    @property
    def n_exact(self) -> int: ...
    @property
    def state(self) -> memoryview: ...
    @property
    def tokens(self) -> list[int]: ...

class SideKind:
    """
    What a SideRequest asks for.

    Members:

      SET_LORA

      SLOT_SAVE

      SLOT_RESTORE

      SLOT_ERASE
    """

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
        saved: SavedSlot | None = None,
        share_group: str = "",
    ) -> None: ...
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
        prompt: TextPrompt | TokenPrompt | ChatPrompt | InfillPrompt,
        sampling: SamplingParams = ...,
        max_tokens: typing.SupportsInt | typing.SupportsIndex = -1,
        n: typing.SupportsInt | typing.SupportsIndex = 1,
        stop: collections.abc.Sequence[str] = [],
        loras: collections.abc.Sequence[LoraScale] | None = None,
        n_logprobs: typing.SupportsInt | typing.SupportsIndex = -1,
        n_keep: typing.SupportsInt | typing.SupportsIndex | None = None,
        n_cache_reuse: typing.SupportsInt | typing.SupportsIndex | None = None,
        slot: typing.SupportsInt | typing.SupportsIndex = -1,
        return_tokens: bool = False,
        tokens_per_second: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        share_group: str = "",
        n_draft_max: typing.SupportsInt | typing.SupportsIndex = -1,
        thinking_budget: typing.SupportsInt | typing.SupportsIndex = -1,
        score_prompt: bool = False,
        n_discard: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...
    @property
    def loras(self) -> list[LoraScale] | None: ...
    @property
    def max_tokens(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def n_cache_reuse(self) -> int | None: ...
    @property
    def n_discard(self) -> int: ...
    @property
    def n_draft_max(self) -> int: ...
    @property
    def n_keep(self) -> int | None: ...
    @property
    def n_logprobs(self) -> int: ...
    @property
    def prompt(self) -> TextPrompt | TokenPrompt | ChatPrompt | InfillPrompt: ...
    @property
    def return_tokens(self) -> bool: ...
    @property
    def sampling(self) -> SamplingParams: ...
    @property
    def score_prompt(self) -> bool: ...
    @property
    def share_group(self) -> str: ...
    @property
    def slot(self) -> int: ...
    @property
    def stop(self) -> list[str]: ...
    @property
    def thinking_budget(self) -> int: ...
    @property
    def tokens_per_second(self) -> float: ...

class RenderRequest:
    """
    Ask for the prompt as the model would see it.
    """
    def __init__(self, *, prompt: TextPrompt | TokenPrompt | ChatPrompt | InfillPrompt) -> None: ...
    @property
    def prompt(self) -> TextPrompt | TokenPrompt | ChatPrompt | InfillPrompt: ...

class SideRequest:
    """
    Ask for a call.
    """
    def __init__(self, *, call: SideCall) -> None: ...
    @property
    def call(self) -> SideCall: ...

class EncodeKind:
    """
    What texts are encoded to.

    Members:

      EMBED

      RERANK
    """

    EMBED: typing.ClassVar[EncodeKind]
    RERANK: typing.ClassVar[EncodeKind]
    __members__: typing.ClassVar[dict[str, EncodeKind]]
    @typing.overload
    def __eq__(self, other: EncodeKind) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: EncodeKind) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class PairPrompt:
    """
    What a reranker reads; without a document the unknown token is one.
    """
    def __init__(self, *, query: str, document: str | None = None) -> None: ...
    @property
    def document(self) -> str | None: ...
    @property
    def query(self) -> str: ...

class EncodeRequest:
    """
    Ask for vectors or scores of texts.
    """
    def __init__(
        self,
        *,
        kind: EncodeKind,
        inputs: collections.abc.Sequence[TextPrompt | TokenPrompt | PairPrompt],
        n_dims: typing.SupportsInt | typing.SupportsIndex = 0,
        normalize: bool = False,
    ) -> None: ...
    @property
    def inputs(self) -> list[TextPrompt | TokenPrompt | PairPrompt]: ...
    @property
    def kind(self) -> EncodeKind: ...
    @property
    def n_dims(self) -> int: ...
    @property
    def normalize(self) -> bool: ...

class Request:
    """
    What submit() takes; a higher priority is admitted first.
    """
    def __init__(
        self,
        *,
        body: GenerateRequest | RenderRequest | SideRequest | EncodeRequest,
        priority: typing.SupportsInt | typing.SupportsIndex = 0,
        timeout_ns: typing.SupportsInt | typing.SupportsIndex = 9223372036854775807,
    ) -> None: ...
    @property
    def body(self) -> GenerateRequest | RenderRequest | SideRequest | EncodeRequest: ...
    @property
    def priority(self) -> int: ...
    @property
    def timeout_ns(self) -> int: ...

class SpeculationParams:
    """
    Drafts that steps verify.
    """
    def __init__(
        self,
        *,
        n_max: typing.SupportsInt | typing.SupportsIndex = 16,
        n_min: typing.SupportsInt | typing.SupportsIndex = 0,
        lookup_ngram_min: typing.SupportsInt | typing.SupportsIndex = 0,
        adapt: bool = True,
    ) -> None: ...
    @property
    def adapt(self) -> bool: ...
    @property
    def lookup_ngram_min(self) -> int: ...
    @property
    def n_max(self) -> int: ...
    @property
    def n_min(self) -> int: ...

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
        cache_prompt: bool = True,
        cache_ram_bytes: typing.SupportsInt | typing.SupportsIndex = 0,
        render_special: bool = False,
        itl_target_ms: typing.SupportsFloat | typing.SupportsIndex | None = None,
        context_shift: bool = False,
        n_keep: typing.SupportsInt | typing.SupportsIndex = 0,
        n_cache_reuse: typing.SupportsInt | typing.SupportsIndex = 0,
        n_media_cached: typing.SupportsInt | typing.SupportsIndex = 0,
        speculation: SpeculationParams = ...,
    ) -> None: ...
    @property
    def cache_prompt(self) -> bool: ...
    @property
    def cache_ram_bytes(self) -> int: ...
    @property
    def context_shift(self) -> bool: ...
    @property
    def itl_target_ms(self) -> float | None: ...
    @property
    def n_cache_reuse(self) -> int: ...
    @property
    def n_keep(self) -> int: ...
    @property
    def n_media_cached(self) -> int: ...
    @property
    def n_prompt_workers(self) -> int: ...
    @property
    def n_queue(self) -> int: ...
    @property
    def n_queue_contexts(self) -> int: ...
    @property
    def n_slots(self) -> int: ...
    @property
    def render_special(self) -> bool: ...
    @property
    def speculation(self) -> SpeculationParams: ...

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

class TokenChance:
    """
    A token and its log probability.
    """
    @property
    def bytes(self) -> bytes: ...
    @property
    def logprob(self) -> float: ...
    @property
    def token(self) -> int: ...

class TokenLogprobs:
    """
    A token of the text and its likeliest rivals.
    """
    @property
    def best(self) -> list[TokenChance]: ...
    @property
    def chosen(self) -> TokenChance: ...

class Usage:
    """
    Token counts and times (ms) of a request.
    """
    @property
    def audio_seconds(self) -> float: ...
    @property
    def decode_ms(self) -> float: ...
    @property
    def n_audio(self) -> int: ...
    @property
    def n_cached(self) -> int: ...
    @property
    def n_draft(self) -> int: ...
    @property
    def n_draft_accepted(self) -> int: ...
    @property
    def n_dropped(self) -> int: ...
    @property
    def n_generated(self) -> int: ...
    @property
    def n_image(self) -> int: ...
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
    def n_made_bytes(self) -> int: ...
    @property
    def n_rows(self) -> list[int]: ...
    @property
    def n_slot_tokens(self) -> int: ...
    @property
    def n_tokens(self) -> list[int]: ...
    @property
    def n_values(self) -> int: ...
    @property
    def saved(self) -> SavedSlot: ...
    @property
    def text(self) -> str: ...
    @property
    def tokens(self) -> list[int]: ...
    @property
    def values(self) -> bytes:
        """
        The rows of all texts as native 32-bit floats.
        """

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

class SlotStats:
    """
    One slot; request 0 is free.
    """
    @property
    def decoding(self) -> bool: ...
    @property
    def n_generated(self) -> int: ...
    @property
    def n_held(self) -> int: ...
    @property
    def n_prompt(self) -> int: ...
    @property
    def request(self) -> int: ...

class Stats:
    """
    A snapshot of the engine.
    """
    @property
    def accepted_draft_places(self) -> Histogram: ...
    @property
    def decode_seconds(self) -> float: ...
    @property
    def draft_places(self) -> Histogram: ...
    @property
    def e2e_ms(self) -> Histogram: ...
    @property
    def healthy(self) -> bool: ...
    @property
    def itl_ms(self) -> Histogram: ...
    @property
    def n_cached_tokens(self) -> int: ...
    @property
    def n_context_shifts(self) -> int: ...
    @property
    def n_draft_accepted(self) -> int: ...
    @property
    def n_draft_tokens(self) -> int: ...
    @property
    def n_encode_passes(self) -> int: ...
    @property
    def n_encoded_texts(self) -> int: ...
    @property
    def n_generated_tokens(self) -> int: ...
    @property
    def n_joined_tokens(self) -> int: ...
    @property
    def n_kv_cells(self) -> int: ...
    @property
    def n_kv_used(self) -> int: ...
    @property
    def n_looked_up_tokens(self) -> int: ...
    @property
    def n_media_cached(self) -> int: ...
    @property
    def n_media_encoded(self) -> int: ...
    @property
    def n_parked_bytes(self) -> int: ...
    @property
    def n_parked_tokens(self) -> int: ...
    @property
    def n_preempted(self) -> int: ...
    @property
    def n_preempted_tokens(self) -> int: ...
    @property
    def n_prompt_tokens(self) -> int: ...
    @property
    def n_requests(self) -> int: ...
    @property
    def n_restored_tokens(self) -> int: ...
    @property
    def n_shared_tokens(self) -> int: ...
    @property
    def n_slots(self) -> int: ...
    @property
    def n_slots_busy(self) -> int: ...
    @property
    def n_steps(self) -> int: ...
    @property
    def n_waiting(self) -> int: ...
    @property
    def output_tokens(self) -> Histogram: ...
    @property
    def prefill_seconds(self) -> float: ...
    @property
    def prompt_tokens(self) -> Histogram: ...
    @property
    def queue_ms(self) -> Histogram: ...
    @property
    def slots(self) -> list[SlotStats]: ...
    @property
    def step_ms(self) -> Histogram: ...
    @property
    def ttft_ms(self) -> Histogram: ...

class LoraInfo:
    """
    A loaded LoRA adapter; its id is its place.
    """
    @property
    def path(self) -> str: ...
    @property
    def scale(self) -> float: ...

class ModelInfo:
    """
    Facts about a loaded model.
    """
    @property
    def architecture(self) -> str: ...
    @property
    def chat_template(self) -> str: ...
    @property
    def encoder_bytes(self) -> int: ...
    @property
    def generates(self) -> bool: ...
    @property
    def has_chat_template(self) -> bool: ...
    @property
    def has_rank_head(self) -> bool: ...
    @property
    def hears_audio(self) -> bool: ...
    @property
    def loras(self) -> list[LoraInfo]: ...
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
    def names_pooling(self) -> bool: ...
    @property
    def pooling(self) -> str: ...
    @property
    def sees_images(self) -> bool: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def supports_thinking(self) -> bool: ...
    @property
    def supports_tools(self) -> bool: ...
    @property
    def vocab_type(self) -> str: ...

class TokenIds:
    """
    Token ids as a buffer of integers.
    """

class Models:
    """
    A loaded model; one engine takes it over.
    """
    def check_sampling(self, params: SamplingParams) -> None:
        """
        Raises InvalidArgumentError for what no request could be sampled with.
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
    def detokenize_packed(self, ids: bytes) -> str:
        """
        As detokenize(), from the bytes of native 32-bit integers.
        """
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
    def tokenize_packed(self, text: str, *, add_special: bool = False) -> memoryview:
        """
        As tokenize(), for long texts.
        """
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
    @property
    def shifts(self) -> bool:
        """
        Whether texts and prompts may be longer than the context.
        """

class Preview:
    """
    Members:

      NONE

      FAST

      FULL
    """

    FAST: typing.ClassVar[Preview]
    FULL: typing.ClassVar[Preview]
    NONE: typing.ClassVar[Preview]
    __members__: typing.ClassVar[dict[str, Preview]]
    @typing.overload
    def __eq__(self, other: Preview) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Preview) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class Pixels:
    """
    Rows of pixels, of three channels or one.
    """
    def __init__(
        self,
        width: typing.SupportsInt | typing.SupportsIndex,
        height: typing.SupportsInt | typing.SupportsIndex,
        n_channels: typing.SupportsInt | typing.SupportsIndex,
        data: bytes,
    ) -> None: ...
    @property
    def bytes(self) -> bytes: ...
    @property
    def height(self) -> int: ...
    @property
    def n_channels(self) -> int: ...
    @property
    def width(self) -> int: ...

class ImageLora:
    """
    An adapter and what it counts.
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

class SkipLayers:
    """
    Guidance by a pass that leaves layers out.
    """
    def __init__(
        self,
        *,
        scale: typing.SupportsFloat | typing.SupportsIndex = 0.0,
        layers: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = [],
        start: typing.SupportsFloat | typing.SupportsIndex = 0.009999999776482582,
        end: typing.SupportsFloat | typing.SupportsIndex = 0.20000000298023224,
    ) -> None: ...
    @property
    def end(self) -> float: ...
    @property
    def layers(self) -> list[int]: ...
    @property
    def scale(self) -> float: ...
    @property
    def start(self) -> float: ...

class ImageEngineParams:
    """
    Sizes of an image engine.
    """
    def __init__(
        self,
        *,
        n_slots: typing.SupportsInt | typing.SupportsIndex = 4,
        n_queue: typing.SupportsInt | typing.SupportsIndex = 256,
        n_held_bytes: typing.SupportsInt | typing.SupportsIndex = 536870912,
    ) -> None: ...
    @property
    def n_held_bytes(self) -> int: ...
    @property
    def n_queue(self) -> int: ...
    @property
    def n_slots(self) -> int: ...

class ImageRequest:
    """
    What images are made from.
    """
    def __init__(self, **kwargs: typing.Any) -> None: ...
    @property
    def height(self) -> int: ...
    @property
    def n(self) -> int: ...
    @property
    def seed(self) -> int: ...
    @property
    def width(self) -> int: ...

class ImageUsage:
    """
    Counts and times (ms) of a request.
    """
    @property
    def generation_ms(self) -> float: ...
    @property
    def n_images(self) -> int: ...
    @property
    def n_steps(self) -> int: ...
    @property
    def prepare_ms(self) -> float: ...
    @property
    def queue_ms(self) -> float: ...

class ImageEvent:
    """
    News of one request.
    """
    @property
    def error(self) -> typing.Any: ...
    @property
    def finish(self) -> str: ...
    @property
    def index(self) -> int: ...
    @property
    def kind(self) -> str:
        """
        delta, finish or done.
        """
    @property
    def n_steps(self) -> int: ...
    @property
    def pixels(self) -> Pixels: ...
    @property
    def request(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def usage(self) -> ImageUsage: ...

class ImageStats:
    """
    A snapshot of the image engine.
    """
    @property
    def forward_seconds(self) -> float: ...
    @property
    def healthy(self) -> bool: ...
    @property
    def n_forward(self) -> int: ...
    @property
    def n_images(self) -> int: ...
    @property
    def n_requests(self) -> int: ...
    @property
    def n_reverse(self) -> int: ...
    @property
    def n_slots(self) -> int: ...
    @property
    def n_slots_busy(self) -> int: ...
    @property
    def n_waiting(self) -> int: ...
    @property
    def reverse_seconds(self) -> float: ...

class ImageLoraInfo:
    """
    A LoRA adapter of an image model.
    """
    def __init__(
        self, *, path: str, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0
    ) -> None: ...
    @property
    def path(self) -> str: ...
    @property
    def scale(self) -> float: ...

class ImageModelInfo:
    """
    Facts about a loaded image model.
    """
    @property
    def edits(self) -> bool: ...
    @property
    def family(self) -> str: ...
    @property
    def has_control_net(self) -> bool: ...
    @property
    def inpaints(self) -> bool: ...
    @property
    def is_dit(self) -> bool: ...
    @property
    def loras(self) -> list[ImageLoraInfo]: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def upscale_factor(self) -> int: ...

class ImageModel:
    """
    One engine takes it over.
    """
    @property
    def info(self) -> ImageModelInfo: ...

class ImageFiles:
    """
    The files of an image model; empty ones are not given.
    """
    def __init__(
        self,
        *,
        model: str = "",
        clip_l: str = "",
        clip_g: str = "",
        t5xxl: str = "",
        llm: str = "",
        vae: str = "",
        taesd: str = "",
        control_net: str = "",
        upscaler: str = "",
    ) -> None: ...
    @property
    def clip_g(self) -> str: ...
    @property
    def clip_l(self) -> str: ...
    @property
    def control_net(self) -> str: ...
    @property
    def llm(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def t5xxl(self) -> str: ...
    @property
    def taesd(self) -> str: ...
    @property
    def upscaler(self) -> str: ...
    @property
    def vae(self) -> str: ...

class ImageDevices:
    """
    Which devices compute.
    """
    def __init__(
        self,
        *,
        use_gpus: bool = True,
        devices: collections.abc.Sequence[str] = [],
        tensor_split: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [],
        text_encoder_on_host: bool = False,
        vae_on_host: bool = False,
        control_net_on_host: bool = False,
    ) -> None: ...
    @property
    def control_net_on_host(self) -> bool: ...
    @property
    def devices(self) -> list[str]: ...
    @property
    def tensor_split(self) -> list[float]: ...
    @property
    def text_encoder_on_host(self) -> bool: ...
    @property
    def use_gpus(self) -> bool: ...
    @property
    def vae_on_host(self) -> bool: ...

class ImageModelParams:
    """
    What an image model is loaded with.
    """
    def __init__(
        self,
        *,
        files: ImageFiles,
        placement: ImageDevices = ...,
        loras: collections.abc.Sequence[ImageLoraInfo] = [],
        n_threads: typing.SupportsInt | typing.SupportsIndex = 0,
        upscale_repeats: typing.SupportsInt | typing.SupportsIndex = 1,
        vae_tiling: bool = False,
        flash_attn: bool = False,
        use_mmap: bool = True,
        warmup: bool = True,
        n_memory_bytes: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...
    @property
    def files(self) -> ImageFiles: ...
    @property
    def flash_attn(self) -> bool: ...
    @property
    def loras(self) -> list[ImageLoraInfo]: ...
    @property
    def n_memory_bytes(self) -> int: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def placement(self) -> ImageDevices: ...
    @property
    def upscale_repeats(self) -> int: ...
    @property
    def use_mmap(self) -> bool: ...
    @property
    def vae_tiling(self) -> bool: ...
    @property
    def warmup(self) -> bool: ...

class ImageEngine:
    """
    Makes images on its own thread.
    """
    def __init__(self, model: ImageModel, params: ImageEngineParams) -> None: ...
    def cancel(self, id: typing.SupportsInt | typing.SupportsIndex) -> None:
        """
        Never blocks; unknown ids are ignored.
        """
    def drain(self) -> list[ImageEvent]:
        """
        Take every event that waits.
        """
    def start(self) -> None: ...
    def stats(self) -> ImageStats: ...
    def stop(self) -> None:
        """
        End every request with UnavailableError; returns when the thread has ended.
        """
    def submit(self, request: ImageRequest) -> int:
        """
        Accept a request and return its id.
        """
    def wake_fd(self) -> int:
        """
        Readable while events wait for drain().
        """
    @property
    def info(self) -> ImageModelInfo: ...

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

class SplitMode:
    """
    Members:

      NONE

      LAYER

      ROW

      TENSOR
    """

    LAYER: typing.ClassVar[SplitMode]
    NONE: typing.ClassVar[SplitMode]
    ROW: typing.ClassVar[SplitMode]
    TENSOR: typing.ClassVar[SplitMode]
    __members__: typing.ClassVar[dict[str, SplitMode]]
    @typing.overload
    def __eq__(self, other: SplitMode) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: SplitMode) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class Numa:
    """
    Members:

      OFF

      DISTRIBUTE

      ISOLATE

      NUMACTL
    """

    DISTRIBUTE: typing.ClassVar[Numa]
    ISOLATE: typing.ClassVar[Numa]
    NUMACTL: typing.ClassVar[Numa]
    OFF: typing.ClassVar[Numa]
    __members__: typing.ClassVar[dict[str, Numa]]
    @typing.overload
    def __eq__(self, other: Numa) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Numa) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class RopeScaling:
    """
    Members:

      MODEL

      NONE

      LINEAR

      YARN
    """

    LINEAR: typing.ClassVar[RopeScaling]
    MODEL: typing.ClassVar[RopeScaling]
    NONE: typing.ClassVar[RopeScaling]
    YARN: typing.ClassVar[RopeScaling]
    __members__: typing.ClassVar[dict[str, RopeScaling]]
    @typing.overload
    def __eq__(self, other: RopeScaling) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: RopeScaling) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class GgufOverride:
    """
    A metadata value that replaces the file's.
    """
    def __init__(
        self,
        *,
        key: str,
        value: bool
        | typing.SupportsInt
        | typing.SupportsIndex
        | typing.SupportsFloat
        | typing.SupportsIndex
        | str,
    ) -> None: ...
    @property
    def key(self) -> str: ...
    @property
    def value(self) -> bool | int | float | str: ...

class TensorPlacement:
    """
    Where tensors of matching names go.
    """
    def __init__(self, *, pattern: str, buffer_type: str) -> None: ...
    @property
    def buffer_type(self) -> str: ...
    @property
    def pattern(self) -> str: ...

class ThreadPlacement:
    """
    How the threads of one pool run.
    """
    def __init__(
        self,
        *,
        cpus: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = [],
        strict: bool = False,
        priority: typing.SupportsInt | typing.SupportsIndex = 0,
        poll: typing.SupportsInt | typing.SupportsIndex = 50,
    ) -> None: ...
    @property
    def cpus(self) -> list[int]: ...
    @property
    def poll(self) -> int: ...
    @property
    def priority(self) -> int: ...
    @property
    def strict(self) -> bool: ...

class RopeParams:
    """
    Position encoding; None is the model's own.
    """
    def __init__(
        self,
        *,
        scaling: RopeScaling = ...,
        freq_base: typing.SupportsFloat | typing.SupportsIndex | None = None,
        freq_scale: typing.SupportsFloat | typing.SupportsIndex | None = None,
        yarn_orig_ctx: typing.SupportsInt | typing.SupportsIndex | None = None,
        yarn_ext_factor: typing.SupportsFloat | typing.SupportsIndex | None = None,
        yarn_attn_factor: typing.SupportsFloat | typing.SupportsIndex | None = None,
        yarn_beta_fast: typing.SupportsFloat | typing.SupportsIndex | None = None,
        yarn_beta_slow: typing.SupportsFloat | typing.SupportsIndex | None = None,
    ) -> None: ...
    @property
    def freq_base(self) -> float | None: ...
    @property
    def freq_scale(self) -> float | None: ...
    @property
    def scaling(self) -> RopeScaling: ...
    @property
    def yarn_attn_factor(self) -> float | None: ...
    @property
    def yarn_beta_fast(self) -> float | None: ...
    @property
    def yarn_beta_slow(self) -> float | None: ...
    @property
    def yarn_ext_factor(self) -> float | None: ...
    @property
    def yarn_orig_ctx(self) -> int | None: ...

class AdapterFile:
    """
    A LoRA or control vector and its weight.
    """
    def __init__(
        self, *, path: str, scale: typing.SupportsFloat | typing.SupportsIndex = 1.0
    ) -> None: ...
    @property
    def path(self) -> str: ...
    @property
    def scale(self) -> float: ...

class AdapterParams:
    """
    Adapters that change a loaded model.
    """
    def __init__(
        self,
        *,
        loras: collections.abc.Sequence[AdapterFile] = [],
        control_vectors: collections.abc.Sequence[AdapterFile] = [],
        control_first_layer: typing.SupportsInt | typing.SupportsIndex = 1,
        control_last_layer: typing.SupportsInt | typing.SupportsIndex = -1,
    ) -> None: ...
    @property
    def control_first_layer(self) -> int: ...
    @property
    def control_last_layer(self) -> int: ...
    @property
    def control_vectors(self) -> list[AdapterFile]: ...
    @property
    def loras(self) -> list[AdapterFile]: ...

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
        devices: collections.abc.Sequence[str] | None = None,
        split_mode: SplitMode = ...,
        main_gpu: typing.SupportsInt | typing.SupportsIndex = 0,
        tensor_split: collections.abc.Sequence[typing.SupportsFloat | typing.SupportsIndex] = [],
        placements: collections.abc.Sequence[TensorPlacement] = [],
        overrides: collections.abc.Sequence[GgufOverride] = [],
        numa: Numa = ...,
    ) -> None: ...
    @property
    def devices(self) -> list[str] | None: ...
    @property
    def main_gpu(self) -> int: ...
    @property
    def model_path(self) -> str: ...
    @property
    def n_gpu_layers(self) -> int: ...
    @property
    def numa(self) -> Numa: ...
    @property
    def overrides(self) -> list[GgufOverride]: ...
    @property
    def placements(self) -> list[TensorPlacement]: ...
    @property
    def split_mode(self) -> SplitMode: ...
    @property
    def tensor_split(self) -> list[float]: ...
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
        placement: ThreadPlacement = ...,
        placement_batch: ThreadPlacement = ...,
        rope: RopeParams = ...,
        warmup: bool = True,
        n_draft_max: typing.SupportsInt | typing.SupportsIndex = 0,
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
    def n_draft_max(self) -> int: ...
    @property
    def n_slots(self) -> int: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def n_threads_batch(self) -> int: ...
    @property
    def n_ubatch(self) -> int: ...
    @property
    def placement(self) -> ThreadPlacement: ...
    @property
    def placement_batch(self) -> ThreadPlacement: ...
    @property
    def rope(self) -> RopeParams: ...
    @property
    def swa_full(self) -> bool: ...
    @property
    def warmup(self) -> bool: ...

class Pooling:
    """
    Members:

      MODEL

      NONE

      MEAN

      CLS

      LAST

      RANK
    """

    CLS: typing.ClassVar[Pooling]
    LAST: typing.ClassVar[Pooling]
    MEAN: typing.ClassVar[Pooling]
    MODEL: typing.ClassVar[Pooling]
    NONE: typing.ClassVar[Pooling]
    RANK: typing.ClassVar[Pooling]
    __members__: typing.ClassVar[dict[str, Pooling]]
    @typing.overload
    def __eq__(self, other: Pooling) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Pooling) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class Attention:
    """
    Members:

      MODEL

      CAUSAL

      NON_CAUSAL
    """

    CAUSAL: typing.ClassVar[Attention]
    MODEL: typing.ClassVar[Attention]
    NON_CAUSAL: typing.ClassVar[Attention]
    __members__: typing.ClassVar[dict[str, Attention]]
    @typing.overload
    def __eq__(self, other: Attention) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Attention) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class EncoderParams:
    """
    Embeddings and scores beside the text, or instead of it.
    """
    def __init__(
        self,
        *,
        embeddings: bool = False,
        rerank: bool = False,
        pooling: Pooling = ...,
        attention: Attention = ...,
        defer_embeddings: bool = False,
    ) -> None: ...
    @property
    def attention(self) -> Attention: ...
    @property
    def defer_embeddings(self) -> bool: ...
    @property
    def embeddings(self) -> bool: ...
    @property
    def pooling(self) -> Pooling: ...
    @property
    def rerank(self) -> bool: ...

class ProjectorParams:
    """
    What turns pictures and sounds into embeddings.
    """
    def __init__(
        self, *, path: str = "", n_audio_max: typing.SupportsInt | typing.SupportsIndex = 1800
    ) -> None: ...
    @property
    def n_audio_max(self) -> int: ...
    @property
    def path(self) -> str: ...

class ChatParams:
    """
    The chat template instead of the model's own.
    """
    def __init__(self, *, template_name: str = "", template_source: str = "") -> None: ...
    @property
    def template_name(self) -> str: ...
    @property
    def template_source(self) -> str: ...

class DraftModelParams:
    """
    A small model that guesses; an empty path is none.
    """
    def __init__(
        self,
        *,
        model_path: str = "",
        n_gpu_layers: typing.SupportsInt | typing.SupportsIndex = -1,
        devices: collections.abc.Sequence[str] | None = None,
        p_min: typing.SupportsFloat | typing.SupportsIndex = 0.75,
    ) -> None: ...
    @property
    def devices(self) -> list[str] | None: ...
    @property
    def model_path(self) -> str: ...
    @property
    def n_gpu_layers(self) -> int: ...
    @property
    def p_min(self) -> float: ...

class LlamaParams:
    """
    What a text model is loaded with.
    """
    def __init__(
        self,
        *,
        model: ModelParams,
        context: ContextParams = ...,
        adapters: AdapterParams = ...,
        chat: ChatParams = ...,
        encoder: EncoderParams = ...,
        projector: ProjectorParams = ...,
        draft: DraftModelParams = ...,
    ) -> None: ...
    @property
    def adapters(self) -> AdapterParams: ...
    @property
    def chat(self) -> ChatParams: ...
    @property
    def context(self) -> ContextParams: ...
    @property
    def draft(self) -> DraftModelParams: ...
    @property
    def encoder(self) -> EncoderParams: ...
    @property
    def model(self) -> ModelParams: ...
    @property
    def projector(self) -> ProjectorParams: ...

class Offload:
    """
    Members:

      UNMEASURED

      FITS

      REDUCED

      FIXED

      UNSOLVED
    """

    FITS: typing.ClassVar[Offload]
    FIXED: typing.ClassVar[Offload]
    REDUCED: typing.ClassVar[Offload]
    UNMEASURED: typing.ClassVar[Offload]
    UNSOLVED: typing.ClassVar[Offload]
    __members__: typing.ClassVar[dict[str, Offload]]
    @typing.overload
    def __eq__(self, other: Offload) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Offload) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class DeviceRoom:
    """
    What a plan finds and puts on one device.
    """
    @property
    def asked_bytes(self) -> int: ...
    @property
    def free_bytes(self) -> int: ...
    @property
    def given_bytes(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def spare_bytes(self) -> int: ...

class OffloadPlan:
    """
    How much of a model its devices hold.
    """
    @property
    def devices(self) -> list[DeviceRoom]: ...
    @property
    def n_ctx(self) -> int: ...
    @property
    def n_layers_asked(self) -> int: ...
    @property
    def n_layers_cut(self) -> int: ...
    @property
    def n_layers_given(self) -> int: ...
    @property
    def outcome(self) -> Offload: ...
    @property
    def params(self) -> LlamaParams: ...

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

class RpcParams:
    """
    What an RPC server serves, and where.
    """
    def __init__(
        self,
        *,
        listeners: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
        gpus: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex] = [],
        cpu: bool = False,
        n_threads: typing.SupportsInt | typing.SupportsIndex = 0,
        reserved_bytes: typing.SupportsInt | typing.SupportsIndex = 0,
        cache_dir: str = "",
        cache_limit_bytes: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> None: ...
    @property
    def cache_dir(self) -> str: ...
    @property
    def cache_limit_bytes(self) -> int: ...
    @property
    def cpu(self) -> bool: ...
    @property
    def gpus(self) -> list[int]: ...
    @property
    def listeners(self) -> list[int]: ...
    @property
    def n_threads(self) -> int: ...
    @property
    def reserved_bytes(self) -> int: ...

class RpcCounts:
    """
    What clients of an RPC server did.
    """
    @property
    def compute_ns(self) -> int: ...
    @property
    def n_cache_hits(self) -> int: ...
    @property
    def n_graphs(self) -> int: ...
    @property
    def n_messages(self) -> int: ...
    @property
    def received_bytes(self) -> int: ...
    @property
    def sent_bytes(self) -> int: ...
    @property
    def wait_ns(self) -> int: ...

class RpcSeatStats:
    """
    Memory of a lent device.
    """
    @property
    def capacity_bytes(self) -> int: ...
    @property
    def used_bytes(self) -> int: ...

class RpcStats:
    """
    What an RPC server does and has done.
    """
    @property
    def counts(self) -> RpcCounts: ...
    @property
    def n_bad_ends(self) -> int: ...
    @property
    def n_clients(self) -> int: ...
    @property
    def n_clients_refused(self) -> int: ...
    @property
    def n_clients_taken(self) -> int: ...
    @property
    def seats(self) -> list[RpcSeatStats]: ...

class RpcServer:
    """
    Serves a device to clients of ggml's RPC protocol.
    """
    def __init__(
        self, params: RpcParams, log_fd: typing.SupportsInt | typing.SupportsIndex
    ) -> None: ...
    def adopt(self, fd: typing.SupportsInt | typing.SupportsIndex, peer: str) -> None:
        """
        Serve a connected socket, which is the server's from here on.
        """
    def serve(self) -> None:
        """
        Serve until stop() is called in another thread.
        """
    def stats(self) -> RpcStats: ...
    def stop(self) -> None: ...
    @property
    def device_names(self) -> list[str]: ...

class RpcEndpoint:
    """
    Where a server is reached, and what it is called.
    """
    def __init__(self, *, address: str, name: str) -> None: ...
    @property
    def address(self) -> str: ...
    @property
    def name(self) -> str: ...

def add_rpc_servers(endpoints: collections.abc.Sequence[RpcEndpoint]) -> None:
    """
    Add the devices of RPC servers before models are loaded.
    """

def build_info() -> dict[str, str]: ...
def has_images() -> bool: ...
def image_samplers() -> list[str]: ...
def image_schedules() -> list[str]: ...
def init_backends() -> None:
    """
    Idempotent; before anything else of this module.
    """

def list_buffer_types() -> list[str]: ...
def list_devices() -> list[Device]: ...
def load_backend(path: str) -> tuple[str, int]:
    """
    Load a backend's library, before devices are asked about; its name and how many it found.
    """

def load_image_model(params: ImageModelParams) -> ImageModel:
    """
    Load an image model; takes seconds to minutes and lets other Python threads run.
    """

def load_models(params: LlamaParams) -> Models:
    """
    Load a model file; takes seconds to minutes and lets other Python threads run.
    """

def plan_offload(params: LlamaParams) -> OffloadPlan:
    """
    What of a model its devices have room for; params of the plan are to be loaded.
    """

def send_log_lines(fd: typing.SupportsInt | typing.SupportsIndex, least: LogLevel) -> None:
    """
    Write upstream's lines at or above a level to a non-blocking descriptor.
    """

def system_info() -> str: ...
