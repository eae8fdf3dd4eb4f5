// What drain() and stats() return. Kinds and finish reasons are interned strings: an enum object
// for each event would cost more than all the rest of it.
#include "base/event.h"
#include "bindings/errors.h"
#include "bindings/register.h"
#include "engine/stats.h"

#include <pybind11/stl.h>
#include <pybind11/typing.h>

namespace py = pybind11;

namespace llamabox {
namespace {

using KindName = py::typing::Literal<"'delta'", "'finish'", "'done'">;
using FinishName =
    py::typing::Literal<"''", "'stop'", "'length'", "'tool_calls'", "'cancelled'", "'error'">;
using MaybeError = py::typing::Optional<py::object>;

py::object interned(const char *name) {
  return py::reinterpret_steal<py::object>(PyUnicode_InternFromString(name));
}

KindName kind_name(const Event &event) {
  static const py::handle kDelta = interned("delta").release();
  static const py::handle kFinish = interned("finish").release();
  static const py::handle kDone = interned("done").release();
  switch (event.kind) {
  case EventKind::kDelta:
    return py::reinterpret_borrow<KindName>(kDelta);
  case EventKind::kFinish:
    return py::reinterpret_borrow<KindName>(kFinish);
  case EventKind::kDone:
    break;
  }
  return py::reinterpret_borrow<KindName>(kDone);
}

const char *finish_text(FinishReason reason) {
  switch (reason) {
  case FinishReason::kStop:
    return "stop";
  case FinishReason::kLength:
    return "length";
  case FinishReason::kToolCalls:
    return "tool_calls";
  case FinishReason::kCancelled:
    return "cancelled";
  case FinishReason::kError:
    return "error";
  case FinishReason::kNone:
    break;
  }
  return "";
}

// Replaces instead of raising: one wrong byte must not cost the other events of a drain.
py::str text_of(const std::string &text) {
  return py::reinterpret_steal<py::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<py::ssize_t>(text.size()), "replace"));
}

void register_event(py::module_ &m) {
  py::class_<ToolCallDelta>(m, "ToolCallDelta", "More of one tool call.", py::module_local())
      .def_readonly("index", &ToolCallDelta::index)
      .def_property_readonly("id", [](const ToolCallDelta &d) { return text_of(d.id); })
      .def_property_readonly("name", [](const ToolCallDelta &d) { return text_of(d.name); })
      .def_property_readonly("arguments",
                             [](const ToolCallDelta &d) { return text_of(d.arguments); });
  py::class_<TokenChance>(m, "TokenChance", "A token and its log probability.", py::module_local())
      .def_readonly("token", &TokenChance::token)
      .def_readonly("logprob", &TokenChance::logprob)
      .def_property_readonly("bytes", [](const TokenChance &c) { return py::bytes(c.bytes); });
  py::class_<TokenLogprobs>(m, "TokenLogprobs", "A generated token and its likeliest rivals.",
                            py::module_local())
      .def_readonly("chosen", &TokenLogprobs::chosen)
      .def_readonly("best", &TokenLogprobs::best);
  py::class_<Usage>(m, "Usage", "Token counts and times (ms) of a request.", py::module_local())
      .def_readonly("n_prompt", &Usage::n_prompt)
      .def_readonly("n_cached", &Usage::n_cached)
      .def_readonly("n_generated", &Usage::n_generated)
      .def_readonly("n_reasoning", &Usage::n_reasoning)
      .def_readonly("n_draft", &Usage::n_draft)
      .def_readonly("n_draft_accepted", &Usage::n_draft_accepted)
      .def_readonly("queue_ms", &Usage::queue_ms)
      .def_readonly("ttft_ms", &Usage::ttft_ms)
      .def_readonly("decode_ms", &Usage::decode_ms);
  py::class_<Result>(m, "Result", "What other kinds than generate return.", py::module_local())
      .def_property_readonly(
          "values",
          [](const Result &r) {
            return py::bytes(reinterpret_cast<const char *>(r.values.data()),
                             r.values.size() * sizeof(float));
          },
          "The rows of all texts as native 32-bit floats.")
      .def_readonly("n_values", &Result::n_values)
      .def_readonly("n_rows", &Result::n_rows)
      .def_readonly("n_tokens", &Result::n_tokens)
      .def_readonly("tokens", &Result::tokens)
      .def_property_readonly("text", [](const Result &r) { return text_of(r.text); });
  py::class_<Event>(m, "Event", "News of one request; see `kind`.", py::module_local())
      .def_readonly("request", &Event::request)
      .def_readonly("choice", &Event::choice)
      .def_readonly("tool_calls", &Event::tool_calls)
      .def_readonly("logprobs", &Event::logprobs)
      .def_readonly("usage", &Event::usage)
      .def_property_readonly("kind", kind_name)
      .def_property_readonly("text", [](const Event &e) { return text_of(e.text); })
      .def_property_readonly("reasoning", [](const Event &e) { return text_of(e.reasoning); })
      .def_property_readonly("finish",
                             [](const Event &e) {
                               return py::reinterpret_borrow<FinishName>(
                                   interned(finish_text(e.finish)));
                             })
      .def_property_readonly(
          "error",
          [](const Event &e) -> MaybeError { return make_exception(e.error, e.message, e.param); })
      .def_property_readonly(
          "result", [](const Event &e) { return e.result.get(); },
          py::return_value_policy::reference_internal);
}

} // namespace

void register_events(py::module_ &m) {
  register_event(m);
  py::class_<Histogram>(m, "Histogram", "Counts by upper bound, not cumulative.",
                        py::module_local())
      .def_property_readonly("bounds", &Histogram::bounds)
      .def_property_readonly("counts", &Histogram::counts)
      .def_property_readonly("sum", &Histogram::sum);
  py::class_<SlotStats>(m, "SlotStats", "One slot; request 0 is free.", py::module_local())
      .def_readonly("request", &SlotStats::request)
      .def_readonly("decoding", &SlotStats::decoding)
      .def_readonly("n_prompt", &SlotStats::n_prompt)
      .def_readonly("n_generated", &SlotStats::n_generated)
      .def_readonly("n_held", &SlotStats::n_held);
  py::class_<Stats>(m, "Stats", "A snapshot of the engine.", py::module_local())
      .def_readonly("n_slots", &Stats::n_slots)
      .def_readonly("n_slots_busy", &Stats::n_slots_busy)
      .def_readonly("n_waiting", &Stats::n_waiting)
      .def_readonly("n_kv_cells", &Stats::n_kv_cells)
      .def_readonly("n_kv_used", &Stats::n_kv_used)
      .def_readonly("healthy", &Stats::healthy)
      .def_readonly("n_requests", &Stats::n_requests)
      .def_readonly("n_prompt_tokens", &Stats::n_prompt_tokens)
      .def_readonly("n_cached_tokens", &Stats::n_cached_tokens)
      .def_readonly("n_generated_tokens", &Stats::n_generated_tokens)
      .def_readonly("n_draft_tokens", &Stats::n_draft_tokens)
      .def_readonly("n_draft_accepted", &Stats::n_draft_accepted)
      .def_readonly("n_preempted", &Stats::n_preempted)
      .def_readonly("n_preempted_tokens", &Stats::n_preempted_tokens)
      .def_readonly("n_looked_up_tokens", &Stats::n_looked_up_tokens)
      .def_readonly("n_steps", &Stats::n_steps)
      .def_readonly("n_encode_passes", &Stats::n_encode_passes)
      .def_readonly("n_encoded_texts", &Stats::n_encoded_texts)
      .def_readonly("prefill_seconds", &Stats::prefill_seconds)
      .def_readonly("decode_seconds", &Stats::decode_seconds)
      .def_readonly("step_ms", &Stats::step_ms)
      .def_readonly("slots", &Stats::slots)
      .def_readonly("ttft_ms", &Stats::ttft_ms)
      .def_readonly("itl_ms", &Stats::itl_ms)
      .def_readonly("e2e_ms", &Stats::e2e_ms)
      .def_readonly("queue_ms", &Stats::queue_ms)
      .def_readonly("prompt_tokens", &Stats::prompt_tokens)
      .def_readonly("output_tokens", &Stats::output_tokens);
}

} // namespace llamabox
