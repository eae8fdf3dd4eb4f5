// The parts of an event, and what stats() returns.
#include "base/event.h"
#include "bindings/event_object.h"
#include "bindings/register.h"
#include "engine/stats.h"

#include <pybind11/stl.h>
#include <pybind11/typing.h>

namespace py = pybind11;

namespace llamabox {
namespace {

void register_event_parts(py::module_ &m) {
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
  py::class_<TokenLogprobs>(m, "TokenLogprobs", "A token of the text and its likeliest rivals.",
                            py::module_local())
      .def_readonly("chosen", &TokenLogprobs::chosen)
      .def_readonly("best", &TokenLogprobs::best);
  py::class_<Usage>(m, "Usage", "Token counts and times (ms) of a request.", py::module_local())
      .def_readonly("n_prompt", &Usage::n_prompt)
      .def_readonly("n_cached", &Usage::n_cached)
      .def_readonly("n_image", &Usage::n_image)
      .def_readonly("n_audio", &Usage::n_audio)
      .def_readonly("audio_seconds", &Usage::audio_seconds)
      .def_readonly("n_generated", &Usage::n_generated)
      .def_readonly("n_reasoning", &Usage::n_reasoning)
      .def_readonly("n_dropped", &Usage::n_dropped)
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
      .def_readonly("n_made_bytes", &Result::n_made_bytes)
      .def_readonly("tokens", &Result::tokens)
      .def_readonly("saved", &Result::saved)
      .def_readonly("n_slot_tokens", &Result::n_slot_tokens)
      .def_property_readonly("text", [](const Result &r) { return text_of(r.text); });
}

} // namespace

void register_events(py::module_ &m) {
  register_event_parts(m);
  register_event_object();
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
      .def_readonly("n_shared_tokens", &Stats::n_shared_tokens)
      .def_readonly("n_joined_tokens", &Stats::n_joined_tokens)
      .def_readonly("n_parked_tokens", &Stats::n_parked_tokens)
      .def_readonly("n_restored_tokens", &Stats::n_restored_tokens)
      .def_readonly("n_parked_bytes", &Stats::n_parked_bytes)
      .def_readonly("n_generated_tokens", &Stats::n_generated_tokens)
      .def_readonly("n_draft_tokens", &Stats::n_draft_tokens)
      .def_readonly("n_draft_accepted", &Stats::n_draft_accepted)
      .def_readonly("n_preempted", &Stats::n_preempted)
      .def_readonly("n_preempted_tokens", &Stats::n_preempted_tokens)
      .def_readonly("n_context_shifts", &Stats::n_context_shifts)
      .def_readonly("n_looked_up_tokens", &Stats::n_looked_up_tokens)
      .def_readonly("n_steps", &Stats::n_steps)
      .def_readonly("n_encode_passes", &Stats::n_encode_passes)
      .def_readonly("n_encoded_texts", &Stats::n_encoded_texts)
      .def_readonly("n_media_encoded", &Stats::n_media_encoded)
      .def_readonly("n_media_cached", &Stats::n_media_cached)
      .def_readonly("prefill_seconds", &Stats::prefill_seconds)
      .def_readonly("decode_seconds", &Stats::decode_seconds)
      .def_readonly("step_ms", &Stats::step_ms)
      .def_readonly("slots", &Stats::slots)
      .def_readonly("ttft_ms", &Stats::ttft_ms)
      .def_readonly("itl_ms", &Stats::itl_ms)
      .def_readonly("e2e_ms", &Stats::e2e_ms)
      .def_readonly("queue_ms", &Stats::queue_ms)
      .def_readonly("draft_places", &Stats::draft_places)
      .def_readonly("accepted_draft_places", &Stats::accepted_draft_places)
      .def_readonly("prompt_tokens", &Stats::prompt_tokens)
      .def_readonly("output_tokens", &Stats::output_tokens);
}

} // namespace llamabox
