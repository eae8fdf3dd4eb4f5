// How the next token is chosen. Values arrive checked by the shell's field table; the sampler
// factory refuses by name what it cannot honour.
// Thread rule: plain value. Guarantee: every default but those of temperature, top_k, top_p and
// min_p leaves the distribution as it is. Covered by sampler tests of the adapters.
#pragma once

#include "base/types.h"
#include "model/grammar.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace llamabox {

// Added to the logits of one token, or of every token of a text.
struct LogitBias {
  Token token = kNoToken;
  std::string text; // when not empty, instead of `token`
  float bias = 0;   // minus infinity is a ban
};

struct SamplingParams {
  std::optional<std::uint32_t> seed; // none: drawn at random for the request
  // The order in which the samplers act; those left out do not.
  std::vector<std::string> samplers = {"penalties", "dry",   "top_n_sigma", "top_k",      "typ_p",
                                       "top_p",     "min_p", "xtc",         "temperature"};
  float temperature = 0.8f;        // 0 is greedy
  float dynatemp_range = 0.0f;     // temperature moves by this much with the entropy; 0 is off
  float dynatemp_exponent = 1.0f;  // how the entropy maps to the temperature
  std::int32_t top_k = 40;         // 0 is off
  float top_p = 0.95f;             // 1 is off
  float min_p = 0.05f;             // 0 is off
  float typical_p = 1.0f;          // 1 is off
  float top_n_sigma = -1.0f;       // standard deviations below the best logit; 0 and less is off
  float xtc_probability = 0.0f;    // of leaving the likeliest out; 0 is off
  float xtc_threshold = 0.1f;      // who counts as likely; above 0.5 is off
  std::int32_t min_keep = 0;       // tokens that top_p, min_p, typ_p and xtc leave at least
  std::int32_t mirostat = 0;       // 1 and 2: instead of the samplers that cut
  float mirostat_tau = 5.0f;       // the surprise it steers to, in bits
  float mirostat_eta = 0.1f;       // its learning rate
  std::int32_t repeat_last_n = 64; // tokens the penalties look back; 0 is off, -1 the context
  float repeat_penalty = 1.0f;     // 1 is off
  float frequency_penalty = 0.0f;  // 0 is off
  float presence_penalty = 0.0f;   // 0 is off
  float dry_multiplier = 0.0f;     // 0 is off
  float dry_base = 1.75f;          // at least 1
  std::int32_t dry_allowed_length = 2;  // repeated tokens that cost nothing
  std::int32_t dry_penalty_last_n = -1; // tokens it looks back; 0 is off, -1 the context
  std::vector<std::string> dry_sequence_breakers = {"\n", ":", "\"", "*"};
  std::vector<LogitBias> logit_bias;
  bool ignore_eos = false; // bans every token that ends the text
  Grammar grammar;         // empty: free
  std::string json_schema; // JSON text that the output follows; not together with a grammar
};

} // namespace llamabox
