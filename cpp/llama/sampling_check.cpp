#include "llama/sampling_check.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

namespace llamabox {
namespace {

constexpr std::size_t kMaxSamplers = 16;
constexpr std::size_t kMaxBreakers = 16;
constexpr std::size_t kMaxBreakerBytes = 40; // upstream cuts longer ones
constexpr std::size_t kMaxBiases = 1024;
constexpr std::size_t kMaxBiasBytes = 256;
constexpr float kMax = std::numeric_limits<float>::max();

struct Range {
  const char *name;
  float SamplingParams::*value;
  float low;
  float high;
};

// The words of a refusal are made from the limits.
constexpr std::array kRanges{
    Range{"temperature", &SamplingParams::temperature, -kMax, kMax},
    Range{"dynatemp_range", &SamplingParams::dynatemp_range, 0, kMax},
    Range{"dynatemp_exponent", &SamplingParams::dynatemp_exponent, 0, kMax},
    Range{"top_p", &SamplingParams::top_p, 0, 1},
    Range{"min_p", &SamplingParams::min_p, 0, 1},
    Range{"typical_p", &SamplingParams::typical_p, 0, 1},
    Range{"top_n_sigma", &SamplingParams::top_n_sigma, -kMax, kMax},
    Range{"xtc_probability", &SamplingParams::xtc_probability, 0, 1},
    Range{"xtc_threshold", &SamplingParams::xtc_threshold, 0, 1},
    Range{"mirostat_tau", &SamplingParams::mirostat_tau, 0, 1000},
    Range{"mirostat_eta", &SamplingParams::mirostat_eta, 0, 1000},
    Range{"frequency_penalty", &SamplingParams::frequency_penalty, -kMax, kMax},
    Range{"presence_penalty", &SamplingParams::presence_penalty, -kMax, kMax},
    Range{"dry_multiplier", &SamplingParams::dry_multiplier, 0, kMax},
    Range{"dry_base", &SamplingParams::dry_base, 1, kMax},
};

constexpr std::array kSamplers{"penalties", "dry",   "top_n_sigma", "top_k",      "typ_p",
                               "top_p",     "min_p", "xtc",         "temperature"};

[[noreturn]] void refuse(const char *name, const std::string &problem) {
  throw Error(ErrorCode::kInvalidArgument, std::string(name) + " " + problem, name);
}

std::string text_of(float value) {
  std::string text = std::to_string(value);
  if (std::isfinite(value) && value == std::floor(value) && std::abs(value) < 1e9f) {
    text = std::to_string(static_cast<long long>(value));
  }
  return text;
}

std::string allowed_text(const Range &range) {
  if (range.low == -kMax) {
    return "a finite number";
  }
  if (range.high == kMax) {
    return "a finite number of at least " + text_of(range.low);
  }
  return "within " + text_of(range.low) + " and " + text_of(range.high);
}

void require(bool good, const char *name, std::int32_t value, const char *allowed) {
  if (!good) {
    refuse(name, std::to_string(value) + " is not " + allowed);
  }
}

void check_lists(const SamplingParams &params) {
  if (params.samplers.size() > kMaxSamplers) {
    refuse("samplers", "has more than " + std::to_string(kMaxSamplers) + " names");
  }
  for (const std::string &name : params.samplers) {
    if (std::ranges::find(kSamplers, name) == kSamplers.end()) {
      refuse("samplers", "names \"" + name + "\", which is no sampler");
    }
  }
  if (params.dry_sequence_breakers.size() > kMaxBreakers) {
    refuse("dry_sequence_breakers", "has more than " + std::to_string(kMaxBreakers) + " texts");
  }
  for (const std::string &text : params.dry_sequence_breakers) {
    if (text.empty() || text.size() > kMaxBreakerBytes) {
      refuse("dry_sequence_breakers", "has a text of " + std::to_string(text.size()) +
                                          " bytes; allowed are 1 to " +
                                          std::to_string(kMaxBreakerBytes));
    }
  }
  if (params.logit_bias.size() > kMaxBiases) {
    refuse("logit_bias", "has more than " + std::to_string(kMaxBiases) + " tokens");
  }
  for (const LogitBias &bias : params.logit_bias) {
    if (bias.text.size() > kMaxBiasBytes) {
      refuse("logit_bias", "has a text of more than " + std::to_string(kMaxBiasBytes) + " bytes");
    }
    // Minus infinity is a ban; what else is not finite would make NaN.
    if (std::isnan(bias.bias) || bias.bias == std::numeric_limits<float>::infinity()) {
      refuse("logit_bias", "has a bias that is no finite number");
    }
  }
}

} // namespace

void check_sampling(const SamplingParams &params) {
  for (const Range &range : kRanges) {
    const float value = params.*range.value;
    if (!(value >= range.low && value <= range.high)) { // true for NaN
      refuse(range.name, text_of(value) + " is not " + allowed_text(range));
    }
  }
  const float inverse = 1.0f / params.repeat_penalty;
  if (!(params.repeat_penalty > 0) || !std::isfinite(params.repeat_penalty) ||
      !std::isfinite(inverse)) {
    refuse("repeat_penalty", text_of(params.repeat_penalty) + " is not a positive number");
  }
  require(params.top_k >= 0, "top_k", params.top_k, "0 (off) or more");
  require(params.min_keep >= 0, "min_keep", params.min_keep, "0 or more");
  require(params.mirostat >= 0 && params.mirostat <= 2, "mirostat", params.mirostat, "0, 1 or 2");
  require(params.repeat_last_n >= -1, "repeat_last_n", params.repeat_last_n,
          "-1 (the context), 0 (off) or more");
  require(params.dry_allowed_length >= 0, "dry_allowed_length", params.dry_allowed_length,
          "0 or more");
  require(params.dry_penalty_last_n >= -1, "dry_penalty_last_n", params.dry_penalty_last_n,
          "-1 (the context), 0 (off) or more");
  check_lists(params);
}

} // namespace llamabox
