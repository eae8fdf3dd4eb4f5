// Loading a model with llama.cpp.
#include "bindings/register.h"
#include "bindings/value_class.h"
#include "llama/load_models.h"
#include "llama/offload_plan.h"
#include "llama/params.h"

namespace py = pybind11;

namespace llamabox {
namespace {

void register_parts(py::module_ &m) {
  bind_value<GgufOverride>(m, "GgufOverride", "A metadata value that replaces the file's.",
                           Required{"key", &GgufOverride::key},
                           Required{"value", &GgufOverride::value});
  bind_value<TensorPlacement>(m, "TensorPlacement", "Where tensors of matching names go.",
                              Required{"pattern", &TensorPlacement::pattern},
                              Required{"buffer_type", &TensorPlacement::buffer_type});
  using T = ThreadPlacement;
  bind_value<T>(m, "ThreadPlacement", "How the threads of one pool run.", Field{"cpus", &T::cpus},
                Field{"strict", &T::strict}, Field{"priority", &T::priority},
                Field{"poll", &T::poll});
  using R = RopeParams;
  bind_value<R>(
      m, "RopeParams", "Position encoding; None is the model's own.", Field{"scaling", &R::scaling},
      Field{"freq_base", &R::freq_base}, Field{"freq_scale", &R::freq_scale},
      Field{"yarn_orig_ctx", &R::yarn_orig_ctx}, Field{"yarn_ext_factor", &R::yarn_ext_factor},
      Field{"yarn_attn_factor", &R::yarn_attn_factor}, Field{"yarn_beta_fast", &R::yarn_beta_fast},
      Field{"yarn_beta_slow", &R::yarn_beta_slow});
  bind_value<AdapterFile>(m, "AdapterFile", "A LoRA or control vector and its weight.",
                          Required{"path", &AdapterFile::path},
                          Field{"scale", &AdapterFile::scale});
  using A = AdapterParams;
  bind_value<A>(m, "AdapterParams", "Adapters that change a loaded model.",
                Field{"loras", &A::loras}, Field{"control_vectors", &A::control_vectors},
                Field{"control_first_layer", &A::control_first_layer},
                Field{"control_last_layer", &A::control_last_layer});
}

void register_placing(py::module_ &m) {
  py::enum_<FlashAttn>(m, "FlashAttn", py::module_local())
      .value("AUTO", FlashAttn::kAuto)
      .value("OFF", FlashAttn::kOff)
      .value("ON", FlashAttn::kOn);
  py::enum_<SplitMode>(m, "SplitMode", py::module_local())
      .value("NONE", SplitMode::kNone)
      .value("LAYER", SplitMode::kLayer)
      .value("ROW", SplitMode::kRow)
      .value("TENSOR", SplitMode::kTensor);
  py::enum_<Numa>(m, "Numa", py::module_local())
      .value("OFF", Numa::kOff)
      .value("DISTRIBUTE", Numa::kDistribute)
      .value("ISOLATE", Numa::kIsolate)
      .value("NUMACTL", Numa::kNumactl);
  py::enum_<RopeScaling>(m, "RopeScaling", py::module_local())
      .value("MODEL", RopeScaling::kModel)
      .value("NONE", RopeScaling::kNone)
      .value("LINEAR", RopeScaling::kLinear)
      .value("YARN", RopeScaling::kYarn);
}

// What a model can have beside its own context.
void register_others(py::module_ &m) {
  py::enum_<Pooling>(m, "Pooling", py::module_local())
      .value("MODEL", Pooling::kModel)
      .value("NONE", Pooling::kNone)
      .value("MEAN", Pooling::kMean)
      .value("CLS", Pooling::kCls)
      .value("LAST", Pooling::kLast)
      .value("RANK", Pooling::kRank);
  py::enum_<Attention>(m, "Attention", py::module_local())
      .value("MODEL", Attention::kModel)
      .value("CAUSAL", Attention::kCausal)
      .value("NON_CAUSAL", Attention::kNonCausal);
  using P = EncoderParams;
  bind_value<P>(m, "EncoderParams", "Embeddings and scores beside the text, or instead of it.",
                Field{"embeddings", &P::embeddings}, Field{"rerank", &P::rerank},
                Field{"pooling", &P::pooling}, Field{"attention", &P::attention},
                Field{"defer_embeddings", &P::defer_embeddings});
  using J = ProjectorParams;
  bind_value<J>(m, "ProjectorParams", "What turns pictures and sounds into embeddings.",
                Field{"path", &J::path}, Field{"n_audio_max", &J::n_audio_max});
  bind_value<ChatParams>(m, "ChatParams", "The chat template instead of the model's own.",
                         Field{"template_name", &ChatParams::template_name},
                         Field{"template_source", &ChatParams::template_source});
  using D = DraftModelParams;
  bind_value<D>(m, "DraftModelParams", "A small model that guesses; an empty path is none.",
                Field{"model_path", &D::model_path}, Field{"n_gpu_layers", &D::n_gpu_layers},
                Field{"devices", &D::devices}, Field{"p_min", &D::p_min});
}

void register_offload(py::module_ &m) {
  py::enum_<Offload>(m, "Offload", py::module_local())
      .value("UNMEASURED", Offload::kUnmeasured)
      .value("FITS", Offload::kFits)
      .value("REDUCED", Offload::kReduced)
      .value("FIXED", Offload::kFixed)
      .value("UNSOLVED", Offload::kUnsolved);
  using D = DeviceRoom;
  py::class_<D>(m, "DeviceRoom", "What a plan finds and puts on one device.", py::module_local())
      .def_readonly("name", &D::name)
      .def_readonly("free_bytes", &D::free_bytes)
      .def_readonly("spare_bytes", &D::spare_bytes)
      .def_readonly("asked_bytes", &D::asked_bytes)
      .def_readonly("given_bytes", &D::given_bytes);
  using P = OffloadPlan;
  py::class_<P>(m, "OffloadPlan", "How much of a model its devices hold.", py::module_local())
      .def_readonly("params", &P::params)
      .def_readonly("outcome", &P::outcome)
      .def_readonly("n_layers_asked", &P::n_layers_asked)
      .def_readonly("n_layers_given", &P::n_layers_given)
      .def_readonly("n_layers_cut", &P::n_layers_cut)
      .def_readonly("n_ctx", &P::n_ctx)
      .def_readonly("devices", &P::devices);
  m.def("plan_offload", &plan_offload, py::arg("params"), py::call_guard<py::gil_scoped_release>(),
        "What of a model its devices have room for; params of the plan are to be loaded.");
}

} // namespace

void register_llama(py::module_ &m) {
  register_placing(m);
  register_parts(m);
  using M = ModelParams;
  bind_value<M>(m, "ModelParams", "Which file, and where its weights go.",
                Required{"model_path", &M::model_path}, Field{"n_gpu_layers", &M::n_gpu_layers},
                Field{"use_mmap", &M::use_mmap}, Field{"use_mlock", &M::use_mlock},
                Field{"devices", &M::devices}, Field{"split_mode", &M::split_mode},
                Field{"main_gpu", &M::main_gpu}, Field{"tensor_split", &M::tensor_split},
                Field{"placements", &M::placements}, Field{"overrides", &M::overrides},
                Field{"numa", &M::numa});
  using C = ContextParams;
  bind_value<C>(m, "ContextParams", "The KV cells, batches and threads of a context.",
                Field{"n_ctx", &C::n_ctx}, Field{"n_batch", &C::n_batch},
                Field{"n_ubatch", &C::n_ubatch}, Field{"n_slots", &C::n_slots},
                Field{"n_threads", &C::n_threads}, Field{"n_threads_batch", &C::n_threads_batch},
                Field{"flash_attn", &C::flash_attn}, Field{"kv_unified", &C::kv_unified},
                Field{"swa_full", &C::swa_full}, Field{"kv_offload", &C::kv_offload},
                Field{"cache_type_k", &C::cache_type_k}, Field{"cache_type_v", &C::cache_type_v},
                Field{"placement", &C::placement}, Field{"placement_batch", &C::placement_batch},
                Field{"rope", &C::rope}, Field{"warmup", &C::warmup},
                Field{"n_draft_max", &C::n_draft_max});
  register_others(m);
  bind_value<LlamaParams>(
      m, "LlamaParams", "What a text model is loaded with.", Required{"model", &LlamaParams::model},
      Field{"context", &LlamaParams::context}, Field{"adapters", &LlamaParams::adapters},
      Field{"chat", &LlamaParams::chat}, Field{"encoder", &LlamaParams::encoder},
      Field{"projector", &LlamaParams::projector}, Field{"draft", &LlamaParams::draft});
  register_offload(m);
  m.def("load_models", &load_models, py::arg("params"), py::call_guard<py::gil_scoped_release>(),
        "Load a model file; takes seconds to minutes and lets other Python threads run.");
}

} // namespace llamabox
