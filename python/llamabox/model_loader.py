"""Turns the settings into a loaded model and its engine; the one place that imports ``_core``."""

from __future__ import annotations

from pathlib import Path

from llamabox import _core
from llamabox.config import ServerConfig
from llamabox.engine import Engine
from llamabox.errors import LoadFailedError
from llamabox.upstream_log import least_level


def prepare_core(config: ServerConfig, log_fd: int) -> None:
    """Initialise the backends; upstream's log lines go to ``log_fd``."""
    _core.send_log_lines(log_fd, least_level(_core.LogLevel, config.log.verbosity))
    _core.init_backends()


def load_engine(config: ServerConfig) -> Engine:
    """Load the model; takes seconds to minutes and lets other threads run.

    Raises LoadFailedError or InvalidArgumentError with one sentence for the user.
    """
    models = _core.load_models(llama_params(config))
    params = _core.EngineParams(n_slots=config.engine.n_slots, n_queue=config.engine.max_queue)
    return Engine(_core, _core.Engine(models, params))


def llama_params(config: ServerConfig) -> _core.LlamaParams:
    """The settings as the core takes them, where numbers stand for "automatic"."""
    model, engine = config.model, config.engine
    return _core.LlamaParams(
        model=_core.ModelParams(
            model_path=model.path or "",
            n_gpu_layers=-1 if model.n_gpu_layers is None else model.n_gpu_layers,
            use_mmap=model.use_mmap,
            use_mlock=model.use_mlock,
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
            warmup=model.warmup,
        ),
        chat=_core.ChatParams(
            template_name=config.chat.template or "",
            template_source=_template_source(config.chat.template_file),
        ),
    )


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
