// The engine. submit, cancel, drain and stats keep the GIL, since each takes one leaf mutex for
// less time than handing the GIL over would; what may wait for a thread or grows with a text
// releases it.
#include "bindings/event_object.h"
#include "bindings/register.h"
#include "engine/engine.h"

#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace llamabox {
namespace {

using Released = py::call_guard<py::gil_scoped_release>;

// Joining the engine thread while holding the GIL would stop every other Python thread.
struct ReleaseGilAndDelete {
  void operator()(Engine *engine) const {
    const py::gil_scoped_release released;
    delete engine;
  }
};

py::list drain(Engine &engine) {
  std::vector<Event> events = engine.drain();
  py::list list(events.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    list[i] = event_object(std::move(events[i]));
  }
  return list;
}

// Bytes, since a token may hold part of a character.
py::typing::List<py::bytes> pieces(const Engine &engine, const std::vector<Token> &tokens) {
  const Vocab &vocab = *engine.models().vocab;
  py::typing::List<py::bytes> list(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= vocab.n_tokens()) {
      throw Error(ErrorCode::kInvalidArgument,
                  "token " + std::to_string(tokens[i]) + " is not in the vocabulary", "tokens");
    }
    list[i] = py::bytes(vocab.piece(tokens[i], true));
  }
  return list;
}

// Owns the ids of a long text and shows them as a buffer: a list would make an object of each while
// it holds the GIL, which takes a tenth of a second for a text of many megabytes.
struct TokenIds {
  std::vector<Token> tokens;
};

py::memoryview tokenize_packed(const Engine &engine, const std::string &text, bool add_special) {
  TokenIds ids;
  {
    const py::gil_scoped_release released;
    ids.tokens = engine.tokenize(text, {.add_special = add_special, .parse_special = true});
  }
  return py::memoryview(py::cast(std::move(ids))); // which keeps the ids
}

std::string detokenize_packed(const Engine &engine, const py::bytes &ids) {
  const auto view = static_cast<std::string_view>(ids);
  const py::gil_scoped_release released; // the caller's reference keeps the bytes
  std::vector<Token> tokens(view.size() / sizeof(Token));
  if (!tokens.empty()) {
    std::memcpy(tokens.data(), view.data(), tokens.size() * sizeof(Token));
  }
  return engine.detokenize(tokens, false);
}

void register_models(py::module_ &m) {
  py::class_<LoraInfo>(m, "LoraInfo", "A loaded LoRA adapter; its id is its place.",
                       py::module_local())
      .def_readonly("path", &LoraInfo::path)
      .def_readonly("scale", &LoraInfo::scale);
  py::class_<ModelInfo>(m, "ModelInfo", "Facts about a loaded model.", py::module_local())
      .def_readonly("architecture", &ModelInfo::architecture)
      .def_readonly("name", &ModelInfo::name)
      .def_readonly("vocab_type", &ModelInfo::vocab_type)
      .def_readonly("n_vocab", &ModelInfo::n_vocab)
      .def_readonly("n_ctx_train", &ModelInfo::n_ctx_train)
      .def_readonly("n_embd", &ModelInfo::n_embd)
      .def_readonly("n_params", &ModelInfo::n_params)
      .def_readonly("size_bytes", &ModelInfo::size_bytes)
      .def_readonly("has_chat_template", &ModelInfo::has_chat_template)
      .def_readonly("chat_template", &ModelInfo::chat_template)
      .def_readonly("loras", &ModelInfo::loras)
      .def_readonly("supports_tools", &ModelInfo::supports_tools)
      .def_readonly("supports_thinking", &ModelInfo::supports_thinking)
      .def_readonly("generates", &ModelInfo::generates)
      .def_readonly("pooling", &ModelInfo::pooling)
      .def_readonly("names_pooling", &ModelInfo::names_pooling)
      .def_readonly("has_rank_head", &ModelInfo::has_rank_head)
      .def_readonly("sees_images", &ModelInfo::sees_images)
      .def_readonly("hears_audio", &ModelInfo::hears_audio)
      .def_readonly("encoder_bytes", &ModelInfo::encoder_bytes);
  py::class_<TokenIds>(m, "TokenIds", py::buffer_protocol(), "Token ids as a buffer of integers.",
                       py::module_local())
      .def_buffer([](TokenIds &ids) {
        return py::buffer_info(ids.tokens.data(), static_cast<py::ssize_t>(ids.tokens.size()),
                               true);
      });
  py::class_<Models, py::smart_holder>(m, "Models", "A loaded model; one engine takes it over.",
                                       py::module_local())
      .def(
          "check_sampling",
          [](const Models &models, const SamplingParams &params) {
            models.samplers->make(params, {});
          },
          py::arg("params"), py::call_guard<py::gil_scoped_release>(),
          "Raises InvalidArgumentError for what no request could be sampled with.");
}

} // namespace

void register_engine(py::module_ &m) {
  register_models(m);
  py::class_<Engine, std::unique_ptr<Engine, ReleaseGilAndDelete>>(
      m, "Engine", "Runs requests on its own thread; see cpp/engine/README.md.", py::module_local())
      .def(py::init([](std::unique_ptr<Models> models, const EngineParams &params) {
             return std::unique_ptr<Engine, ReleaseGilAndDelete>(
                 new Engine(std::move(models), params));
           }),
           py::arg("models"), py::arg("params"))
      .def("start", &Engine::start, Released())
      .def("stop", &Engine::stop, Released(),
           "End every request with UnavailableError; returns when the threads have ended.")
      .def("wake_fd", &Engine::wake_fd, "Readable while events wait for drain().")
      .def(
          "submit",
          [](Engine &engine, Request &request) { return engine.submit(std::move(request)); },
          py::arg("request"),
          "Accept a request and return its id. The request is consumed: it is empty afterwards.")
      .def("cancel", &Engine::cancel, py::arg("id"), "Never blocks; unknown ids are ignored.")
      .def("drain", &drain, "Take every event that waits.")
      .def("stats", &Engine::stats)
      .def(
          "tokenize",
          [](const Engine &engine, const std::string &text, bool add_special, bool parse_special) {
            return engine.tokenize(text, {add_special, parse_special});
          },
          py::arg("text"), py::kw_only(), py::arg("add_special") = false,
          py::arg("parse_special") = true, Released())
      .def("detokenize", &Engine::detokenize, py::arg("tokens"), py::arg("render_special") = false,
           Released())
      .def("tokenize_packed", &tokenize_packed, py::arg("text"), py::kw_only(),
           py::arg("add_special") = false, "As tokenize(), for long texts.")
      .def("detokenize_packed", &detokenize_packed, py::arg("ids"),
           "As detokenize(), from the bytes of native 32-bit integers.")
      .def("pieces", &pieces, py::arg("tokens"), "The bytes of each token, special ones as text.")
      .def_property_readonly("info", [](const Engine &engine) { return engine.models().info; })
      .def_property_readonly(
          "n_ctx", [](const Engine &engine) { return engine.models().runner->limits().n_ctx; },
          "Tokens that one sequence may hold.")
      .def_property_readonly("shifts", &Engine::shifts,
                             "Whether texts and prompts may be longer than the context.");
}

} // namespace llamabox
