"""Turns the settings into a loaded model and its engine; the one place that imports ``_core``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from llamabox import _core
from llamabox.backend_plugins import load_plugins
from llamabox.compute_config import AdapterConfig, RopeConfig, ThreadsConfig
from llamabox.config import ServerConfig
from llamabox.draft_config import DraftConfig
from llamabox.engine import CoreModule, Engine
from llamabox.errors import InvalidArgumentError, LoadFailedError
from llamabox.host_memory import available_bytes, default_cache_mib
from llamabox.log import fields
from llamabox.offload import report, warn_without_device
from llamabox.slot_files import slot_folder
from llamabox.upstream_log import least_level

_logger = logging.getLogger(__name__)


def prepare_core(config: ServerConfig, log_fd: int) -> None:
    """Initialise the backends, installed ones too; upstream's log lines go to ``log_fd``."""
    _core.send_log_lines(log_fd, least_level(_core.LogLevel, config.log.verbosity))
    _core.init_backends()
    load_plugins(_core)


def load_engine(
    config: ServerConfig,
    default_sampling: Callable[[CoreModule], _core.SamplingParams] | None = None,
) -> Engine:
    """Load the model; takes seconds to minutes and lets other threads run.

    ``default_sampling`` makes what a request without fields of its own is sampled with; the model
    must be able to.

    Raises LoadFailedError or InvalidArgumentError with one sentence for the user.
    """
    folder = slot_folder(config, _core.build_info()["llama_cpp_build"])
    warn_without_device(config, _core.list_devices)
    plan = _core.plan_offload(llama_params(config))
    report(plan)
    models = _core.load_models(plan.params)
    if default_sampling is not None:
        _check_sampling(models, default_sampling(_core))
    params = _core.EngineParams(
        n_slots=config.engine.n_slots,
        n_queue=config.engine.max_queue,
        itl_target_ms=config.engine.itl_target_ms,
        cache_prompt=config.engine.cache_prompt,
        cache_ram_bytes=_cache_ram_mib(config) << 20,
        context_shift=config.context.shift,
        n_keep=-1 if config.context.n_keep is None else config.context.n_keep,
        n_cache_reuse=config.context.n_cache_reuse,
        render_special=config.engine.special,
        speculation=speculation_params(config),
        # A request of thousands of texts, or of a long sound, must not keep the others from being
        # tokenized.
        n_prompt_workers=2 if config.encoder.embeds or config.media.projector else 1,
        n_media_cached=config.media.n_cached,
    )
    return Engine(_core, _core.Engine(models, params), folder)


def _cache_ram_mib(config: ServerConfig) -> int:
    mib = config.engine.cache_ram_mib
    if not config.engine.cache_prompt:
        return 0
    if mib is None:
        mib = default_cache_mib(available_bytes())
        _logger.info("RAM for prompts that leave KV", extra=fields(cache_ram_mib=mib))
    return mib


def _check_sampling(models: _core.Models, sampling: _core.SamplingParams) -> None:
    """Find out now what every request would stumble over: a grammar that is none, a foreign id."""
    try:
        models.check_sampling(sampling)
    except InvalidArgumentError as error:
        option = "--" + (error.param or "sampling").replace("_", "-")
        raise LoadFailedError(f"{option}: {error.message}") from None


def llama_params(config: ServerConfig) -> _core.LlamaParams:
    """The settings as the core takes them, where numbers stand for "automatic"."""
    model, engine, placement = config.model, config.engine, config.placement
    return _core.LlamaParams(
        model=_core.ModelParams(
            model_path=model.path or "",
            n_gpu_layers=-1 if model.n_gpu_layers is None else model.n_gpu_layers,
            use_mmap=model.use_mmap,
            use_mlock=model.use_mlock,
            devices=None if placement.devices is None else list(placement.devices),
            split_mode=_named(_core.SplitMode, placement.split_mode, "layer"),
            main_gpu=placement.main_gpu,
            tensor_split=list(placement.tensor_split),
            placements=[
                _core.TensorPlacement(pattern=pattern, buffer_type=buffer_type)
                for pairs in placement.override_tensor
                for pattern, buffer_type in pairs
            ],
            overrides=[
                _core.GgufOverride(key=key, value=value) for key, value in placement.override_kv
            ],
            numa=_named(_core.Numa, placement.numa, "off"),
        ),
        context=_core.ContextParams(
            n_ctx=engine.n_ctx or 0,
            n_batch=engine.n_batch,
            n_ubatch=engine.n_ubatch,
            n_slots=engine.n_slots,
            n_threads=engine.n_threads or 0,
            n_threads_batch=engine.n_threads_batch or 0,
            flash_attn=_flash_attn(engine.flash_attn),
            swa_full=engine.swa_full,
            kv_offload=engine.offload_kqv,
            cache_type_k=engine.type_k,
            cache_type_v=engine.type_v,
            kv_unified=engine.kv_unified,
            placement=_placement(config.threads),
            placement_batch=_placement_batch(config.threads),
            rope=_rope(config.rope),
            warmup=model.warmup,
            n_draft_max=config.draft.n_max if config.draft.is_on else 0,
        ),
        adapters=_adapters(config.adapters),
        chat=_core.ChatParams(
            template_name=config.chat.template or "",
            template_source=_template_source(config.chat.template_file),
        ),
        encoder=_core.EncoderParams(
            embeddings=config.encoder.embeds,
            # Offered beside ranks, and seldom asked for.
            defer_embeddings=not config.encoder.embeddings,
            rerank=config.encoder.ranks,
            pooling=_named(_core.Pooling, config.encoder.pooling, "model"),
            attention=_named(_core.Attention, _word(config.encoder.attention), "model"),
        ),
        projector=_core.ProjectorParams(path=config.media.projector or ""),
        draft=_draft_model(config.draft),
    )


def speculation_params(config: ServerConfig) -> _core.SpeculationParams:
    """How steps are drafted for."""
    draft = config.draft
    return _core.SpeculationParams(
        n_max=draft.n_max,
        n_min=draft.n_min,
        lookup_ngram_min=draft.lookup_ngram_min,
        # What one key's holder was told must not show in how fast another's text comes.
        adapt=draft.adapt,
    )


def _draft_model(draft: DraftConfig) -> _core.DraftModelParams:
    return _core.DraftModelParams(
        model_path=draft.model_path or "",
        n_gpu_layers=-1 if draft.n_gpu_layers is None else draft.n_gpu_layers,
        devices=None if draft.devices is None else list(draft.devices),
        p_min=draft.p_min,
    )


def _named(names: Any, name: str | None, default: str) -> Any:
    """The member of an enum of the core that an option's word names."""
    return getattr(names, (default if name is None else name).upper())


def _word(name: str | None) -> str | None:
    return None if name is None else name.replace("-", "_")


def _placement(threads: ThreadsConfig) -> _core.ThreadPlacement:
    return _core.ThreadPlacement(
        cpus=sorted({*threads.cpu_mask, *threads.cpu_range}),
        strict=threads.cpu_strict,
        priority=threads.prio,
        poll=threads.poll,
    )


def _placement_batch(threads: ThreadsConfig) -> _core.ThreadPlacement:
    """What is not said of batches is as it is for single rows."""
    single = _placement(threads)
    strict, prio, poll = threads.cpu_strict_batch, threads.prio_batch, threads.poll_batch
    return _core.ThreadPlacement(
        cpus=sorted({*threads.cpu_mask_batch, *threads.cpu_range_batch}) or single.cpus,
        strict=single.strict if strict is None else strict,
        priority=single.priority if prio is None else prio,
        poll=single.poll if poll is None else poll,
    )


def _rope(rope: RopeConfig) -> _core.RopeParams:
    return _core.RopeParams(
        scaling=_named(_core.RopeScaling, rope.scaling, "model"),
        freq_base=rope.freq_base,
        freq_scale=rope.freq_scale,
        yarn_orig_ctx=rope.yarn_orig_ctx,
        yarn_ext_factor=rope.yarn_ext_factor,
        yarn_attn_factor=rope.yarn_attn_factor,
        yarn_beta_fast=rope.yarn_beta_fast,
        yarn_beta_slow=rope.yarn_beta_slow,
    )


def _adapters(adapters: AdapterConfig) -> _core.AdapterParams:
    layers = adapters.control_layers
    return _core.AdapterParams(
        loras=_files(adapters.loras, 1.0 if adapters.apply_loras else 0.0),
        control_vectors=_files(adapters.control_vectors, 1.0),
        control_first_layer=1 if layers is None else layers[0],
        control_last_layer=-1 if layers is None else layers[1],
    )


def _files(files: Iterable[tuple[str, float]], weight: float) -> list[_core.AdapterFile]:
    return [_core.AdapterFile(path=path, scale=scale * weight) for path, scale in files]


def _template_source(path: str | None) -> str:
    if path is None:
        return ""
    try:
        source = Path(path).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise LoadFailedError(f"the chat template file cannot be read: {error}") from None
    if not source.strip():
        raise LoadFailedError(f"the chat template file {path} is empty")
    return source


def _flash_attn(wanted: bool | None) -> _core.FlashAttn:
    if wanted is None:
        return _core.FlashAttn.AUTO
    return _core.FlashAttn.ON if wanted else _core.FlashAttn.OFF
