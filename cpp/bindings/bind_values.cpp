// The values a request and an engine are built from.
#include "bindings/register.h"
#include "bindings/value_class.h"
#include "engine/params.h"
#include "engine/request.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

namespace py = pybind11;

namespace llamabox {
namespace {

// A place by its media: pybind11 holds pointers to const objects no other way. What has a size in
// pixels is a picture. The content is copied without the GIL, as it can have many megabytes.
MediaPlace make_place(const py::buffer &content, std::uint64_t hash,
                      std::optional<std::pair<std::int32_t, std::int32_t>> size, std::size_t at,
                      std::string path) {
  const py::buffer_info bytes = content.request();
  const py::gil_scoped_release released;
  auto media = std::make_shared<Media>();
  const auto *first = static_cast<const std::uint8_t *>(bytes.ptr);
  media->kind = size ? MediaKind::kImage : MediaKind::kAudio;
  media->bytes.assign(first, first + bytes.size * bytes.itemsize);
  media->hash = hash;
  std::tie(media->width, media->height) = size.value_or(std::pair(0, 0));
  return {std::move(media), at, std::move(path)};
}

void register_media(py::module_ &m) {
  py::class_<MediaPlace>(m, "MediaPlace",
                         "A picture (RGB bytes and its size) or a sound (a file), before byte `at`"
                         " of a message's content.",
                         py::module_local())
      .def(py::init(&make_place), py::kw_only(), py::arg("content"), py::arg("hash"),
           py::arg("size") = py::none(), py::arg("at") = 0, py::arg("path") = "")
      .def_readonly("at", &MediaPlace::at)
      .def_readonly("path", &MediaPlace::path);
}

void register_prompts(py::module_ &m) {
  register_media(m);
  using C = ToolCall;
  bind_value<C>(m, "ToolCall", "A call that the assistant made; arguments are JSON text.",
                Field{"id", &C::id}, Required{"name", &C::name},
                Required{"arguments", &C::arguments});
  using M = ChatMessage;
  bind_value<M>(m, "ChatMessage", "One message of a conversation; content is plain text.",
                Required{"role", &M::role}, Required{"content", &M::content},
                Field{"reasoning_content", &M::reasoning_content},
                Field{"tool_calls", &M::tool_calls}, Field{"tool_call_id", &M::tool_call_id},
                Field{"name", &M::name}, Field{"media", &M::media});
  using T = Tool;
  bind_value<T>(m, "Tool", "A function the model may call; parameters are a JSON schema as text.",
                Required{"name", &T::name}, Field{"description", &T::description},
                Field{"parameters", &T::parameters});
  py::enum_<ToolChoice>(m, "ToolChoice", "Whether the model must call.", py::module_local())
      .value("AUTO", ToolChoice::kAuto)
      .value("REQUIRED", ToolChoice::kRequired);
  py::enum_<Continuation>(m, "Continuation", "Which part of the last message is continued.",
                          py::module_local())
      .value("NONE", Continuation::kNone)
      .value("AUTO", Continuation::kAuto)
      .value("CONTENT", Continuation::kContent)
      .value("REASONING", Continuation::kReasoning);
  using P = ChatPrompt;
  bind_value<P>(
      m, "ChatPrompt", "A conversation, rendered by the model's template.",
      Required{"messages", &P::messages}, Field{"add_generation_prompt", &P::add_generation_prompt},
      Field{"tools", &P::tools}, Field{"tool_choice", &P::tool_choice},
      Field{"parallel_tool_calls", &P::parallel_tool_calls},
      Field{"answer_schema", &P::answer_schema}, Field{"continuation", &P::continuation},
      Field{"enable_thinking", &P::enable_thinking}, Field{"template_kwargs", &P::template_kwargs});
  bind_value<TextPrompt>(m, "TextPrompt", "Text to be tokenized as it is.",
                         Required{"text", &TextPrompt::text});
  bind_value<TokenPrompt>(m, "TokenPrompt", "Token ids, taken as they are.",
                          Required{"tokens", &TokenPrompt::tokens});
  bind_value<InfillFile>(m, "InfillFile", "Another file of the project around a gap.",
                         Required{"name", &InfillFile::name}, Required{"text", &InfillFile::text});
  using I = InfillPrompt;
  bind_value<I>(m, "InfillPrompt", "A gap in a text; begun is what is written of it already.",
                Required{"prefix", &I::prefix}, Required{"suffix", &I::suffix},
                Field{"begun", &I::begun}, Field{"files", &I::files});
}

void register_sampling(py::module_ &m) {
  bind_value<Grammar>(m, "Grammar", "A GBNF grammar; text_only leaves control tokens out of it.",
                      Required{"text", &Grammar::text}, Field{"text_only", &Grammar::text_only});
  bind_value<LogitBias>(m, "LogitBias", "Added to the logit of a token or to those of a text.",
                        Field{"token", &LogitBias::token}, Field{"text", &LogitBias::text},
                        Required{"bias", &LogitBias::bias});
  using S = SamplingParams;
  bind_value<S>(
      m, "SamplingParams", "How the next token is chosen; see each default.",
      Field{"seed", &S::seed}, Field{"samplers", &S::samplers},
      Field{"temperature", &S::temperature}, Field{"dynatemp_range", &S::dynatemp_range},
      Field{"dynatemp_exponent", &S::dynatemp_exponent}, Field{"top_k", &S::top_k},
      Field{"top_p", &S::top_p}, Field{"min_p", &S::min_p}, Field{"typical_p", &S::typical_p},
      Field{"top_n_sigma", &S::top_n_sigma}, Field{"xtc_probability", &S::xtc_probability},
      Field{"xtc_threshold", &S::xtc_threshold}, Field{"min_keep", &S::min_keep},
      Field{"mirostat", &S::mirostat}, Field{"mirostat_tau", &S::mirostat_tau},
      Field{"mirostat_eta", &S::mirostat_eta}, Field{"repeat_last_n", &S::repeat_last_n},
      Field{"repeat_penalty", &S::repeat_penalty},
      Field{"frequency_penalty", &S::frequency_penalty},
      Field{"presence_penalty", &S::presence_penalty}, Field{"dry_multiplier", &S::dry_multiplier},
      Field{"dry_base", &S::dry_base}, Field{"dry_allowed_length", &S::dry_allowed_length},
      Field{"dry_penalty_last_n", &S::dry_penalty_last_n},
      Field{"dry_sequence_breakers", &S::dry_sequence_breakers},
      Field{"logit_bias", &S::logit_bias}, Field{"ignore_eos", &S::ignore_eos},
      Field{"grammar", &S::grammar}, Field{"json_schema", &S::json_schema});
}

// Copies the state without the GIL: it can have hundreds of megabytes.
std::shared_ptr<SavedSlot> make_saved_slot(std::vector<Token> tokens, Pos n_exact,
                                           std::vector<std::pair<std::int32_t, float>> loras,
                                           const py::buffer &state) {
  auto saved = std::make_shared<SavedSlot>();
  saved->tokens = std::move(tokens);
  saved->n_exact = n_exact;
  saved->loras = std::move(loras);
  const py::buffer_info bytes = state.request();
  const py::gil_scoped_release released;
  const auto *first = static_cast<const std::uint8_t *>(bytes.ptr);
  saved->state.assign(first, first + bytes.size * bytes.itemsize);
  return saved;
}

void register_saved_slot(py::module_ &m) {
  py::class_<SavedSlot, std::shared_ptr<SavedSlot>>(
      m, "SavedSlot", py::buffer_protocol(),
      "What a slot held; a buffer of its state. A restore takes the state away.",
      py::module_local())
      .def(py::init(&make_saved_slot), py::kw_only(), py::arg("tokens"), py::arg("n_exact"),
           py::arg("loras"), py::arg("state"))
      .def_readonly("tokens", &SavedSlot::tokens)
      .def_readonly("n_exact", &SavedSlot::n_exact)
      .def_readonly("loras", &SavedSlot::loras)
      .def_property_readonly("state", [](const py::object &saved) { return py::memoryview(saved); })
      .def_buffer([](SavedSlot &saved) {
        return py::buffer_info(saved.state.data(), static_cast<py::ssize_t>(saved.state.size()),
                               true);
      });
}

void register_side_calls(py::module_ &m) {
  register_saved_slot(m);
  py::enum_<SideKind>(m, "SideKind", "What a SideRequest asks for.", py::module_local())
      .value("SET_LORA", SideKind::kSetLora)
      .value("SLOT_SAVE", SideKind::kSlotSave)
      .value("SLOT_RESTORE", SideKind::kSlotRestore)
      .value("SLOT_ERASE", SideKind::kSlotErase);
  bind_value<LoraScale>(m, "LoraScale", "The weight of one loaded adapter.",
                        Required{"id", &LoraScale::id}, Required{"scale", &LoraScale::scale});
  // By hand, since only an optional pointer is shown as one that may be None.
  using MaybeSaved = std::optional<std::shared_ptr<SavedSlot>>;
  const auto make_call = [](SideKind kind, std::vector<LoraScale> loras, std::int32_t slot,
                            const MaybeSaved &saved, std::string share_group) {
    return SideCall{kind, std::move(loras), slot, saved.value_or(nullptr), std::move(share_group)};
  };
  py::class_<SideCall>(m, "SideCall", "A call that runs between steps.", py::module_local())
      .def(py::init(make_call), py::kw_only(), py::arg("kind"),
           py::arg("loras") = std::vector<LoraScale>(), py::arg("slot") = kNoSlot,
           py::arg("saved") = py::none(), py::arg("share_group") = "")
      .def_readonly("kind", &SideCall::kind)
      .def_readonly("loras", &SideCall::loras)
      .def_readonly("slot", &SideCall::slot);
}

void register_requests(py::module_ &m) {
  using G = GenerateRequest;
  bind_value<G>(m, "GenerateRequest", "Ask for text; max_tokens -1 is until the context is full.",
                Required{"prompt", &G::prompt}, Field{"sampling", &G::sampling},
                Field{"max_tokens", &G::max_tokens}, Field{"n", &G::n}, Field{"stop", &G::stop},
                Field{"loras", &G::loras}, Field{"n_logprobs", &G::n_logprobs},
                Field{"n_keep", &G::n_keep}, Field{"n_cache_reuse", &G::n_cache_reuse},
                Field{"slot", &G::slot}, Field{"return_tokens", &G::return_tokens},
                Field{"tokens_per_second", &G::tokens_per_second},
                Field{"share_group", &G::share_group}, Field{"n_draft_max", &G::n_draft_max},
                Field{"thinking_budget", &G::thinking_budget},
                Field{"score_prompt", &G::score_prompt}, Field{"n_discard", &G::n_discard});
  bind_value<RenderRequest>(m, "RenderRequest", "Ask for the prompt as the model would see it.",
                            Required{"prompt", &RenderRequest::prompt});
  bind_value<SideRequest>(m, "SideRequest", "Ask for a call.",
                          Required{"call", &SideRequest::call});
  py::enum_<EncodeKind>(m, "EncodeKind", "What texts are encoded to.", py::module_local())
      .value("EMBED", EncodeKind::kEmbed)
      .value("RERANK", EncodeKind::kRerank);
  bind_value<PairPrompt>(
      m, "PairPrompt", "What a reranker reads; without a document the unknown token is one.",
      Required{"query", &PairPrompt::query}, Field{"document", &PairPrompt::document});
  using E = EncodeRequest;
  bind_value<E>(m, "EncodeRequest", "Ask for vectors or scores of texts.",
                Required{"kind", &E::kind}, Required{"inputs", &E::inputs},
                Field{"n_dims", &E::n_dims}, Field{"normalize", &E::normalize});
  bind_value<Request>(m, "Request", "What submit() takes; a higher priority is admitted first.",
                      Required{"body", &Request::body}, Field{"priority", &Request::priority},
                      Field{"timeout_ns", &Request::timeout_ns});
}

void register_speculation(py::module_ &m) {
  using S = SpeculationParams;
  bind_value<S>(m, "SpeculationParams", "Drafts that steps verify.", Field{"n_max", &S::n_max},
                Field{"n_min", &S::n_min}, Field{"lookup_ngram_min", &S::lookup_ngram_min},
                Field{"adapt", &S::adapt});
}

} // namespace

void register_values(py::module_ &m) {
  register_prompts(m);
  register_sampling(m);
  register_side_calls(m);
  register_requests(m);
  register_speculation(m);
  using E = EngineParams;
  bind_value<E>(
      m, "EngineParams", "Sizes and targets of an engine.", Field{"n_slots", &E::n_slots},
      Field{"n_queue", &E::n_queue}, Field{"n_queue_contexts", &E::n_queue_contexts},
      Field{"n_prompt_workers", &E::n_prompt_workers}, Field{"cache_prompt", &E::cache_prompt},
      Field{"cache_ram_bytes", &E::cache_ram_bytes}, Field{"render_special", &E::render_special},
      Field{"itl_target_ms", &E::itl_target_ms}, Field{"context_shift", &E::context_shift},
      Field{"n_keep", &E::n_keep}, Field{"n_cache_reuse", &E::n_cache_reuse},
      Field{"n_media_cached", &E::n_media_cached}, Field{"speculation", &E::speculation});
}

} // namespace llamabox
