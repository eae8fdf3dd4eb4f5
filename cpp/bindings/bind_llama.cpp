// Loading a model with llama.cpp.
#include "bindings/register.h"
#include "bindings/value_class.h"
#include "llama/make_engine.h"
#include "llama/params.h"

namespace py = pybind11;

namespace llamabox {

void register_llama(py::module_ &m) {
  py::enum_<FlashAttn>(m, "FlashAttn", py::module_local())
      .value("AUTO", FlashAttn::kAuto)
      .value("OFF", FlashAttn::kOff)
      .value("ON", FlashAttn::kOn);
  using M = ModelParams;
  bind_value<M>(m, "ModelParams", "Which file, and where its weights go.",
                Required{"model_path", &M::model_path}, Field{"n_gpu_layers", &M::n_gpu_layers},
                Field{"use_mmap", &M::use_mmap}, Field{"use_mlock", &M::use_mlock});
  using C = ContextParams;
  bind_value<C>(m, "ContextParams", "The KV cells, batches and threads of a context.",
                Field{"n_ctx", &C::n_ctx}, Field{"n_batch", &C::n_batch},
                Field{"n_ubatch", &C::n_ubatch}, Field{"n_slots", &C::n_slots},
                Field{"n_threads", &C::n_threads}, Field{"n_threads_batch", &C::n_threads_batch},
                Field{"flash_attn", &C::flash_attn}, Field{"kv_unified", &C::kv_unified},
                Field{"swa_full", &C::swa_full}, Field{"kv_offload", &C::kv_offload},
                Field{"cache_type_k", &C::cache_type_k}, Field{"cache_type_v", &C::cache_type_v},
                Field{"warmup", &C::warmup});
  bind_value<ChatParams>(m, "ChatParams", "The chat template instead of the model's own.",
                         Field{"template_name", &ChatParams::template_name},
                         Field{"template_source", &ChatParams::template_source});
  bind_value<LlamaParams>(
      m, "LlamaParams", "What a text model is loaded with.", Required{"model", &LlamaParams::model},
      Field{"context", &LlamaParams::context}, Field{"chat", &LlamaParams::chat});
  m.def("load_models", &load_models, py::arg("params"), py::call_guard<py::gil_scoped_release>(),
        "Load a model file; takes seconds to minutes and lets other Python threads run.");
}

} // namespace llamabox
