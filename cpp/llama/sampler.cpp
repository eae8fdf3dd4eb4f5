#include "llama/sampler.h"

#include "base/error.h"
#include "llama/token_history.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <string>

namespace llamabox {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

struct FreeSampler {
  void operator()(llama_sampler *sampler) const { llama_sampler_free(sampler); }
};
using Chain = std::unique_ptr<llama_sampler, FreeSampler>;

std::uint32_t seed_of(const SamplingParams &params) {
  if (!params.seed) {
    std::random_device device;
    return static_cast<std::uint32_t>(device()) & 0x7fffffffu;
  }
  // Upstream draws a random seed for this one value, but a given seed must repeat its choices.
  return *params.seed == LLAMA_DEFAULT_SEED ? LLAMA_DEFAULT_SEED - 1 : *params.seed;
}

Chain make_chain(const SamplingParams &params) {
  llama_sampler_chain_params chain_params = llama_sampler_chain_default_params();
  chain_params.no_perf = true;
  Chain chain(llama_sampler_chain_init(chain_params));
  if (params.top_p < 1.0f) {
    llama_sampler_chain_add(chain.get(), llama_sampler_init_top_p(params.top_p, 1));
  }
  if (params.min_p > 0.0f) {
    llama_sampler_chain_add(chain.get(), llama_sampler_init_min_p(params.min_p, 1));
  }
  llama_sampler_chain_add(chain.get(), llama_sampler_init_temp(params.temperature));
  llama_sampler_chain_add(chain.get(), llama_sampler_init_dist(seed_of(params)));
  return chain;
}

// Logits above other logits; of equal ones the lower token id.
bool better(const llama_token_data &a, const llama_token_data &b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

void take_all(std::span<const float> logits, std::vector<llama_token_data> &out) {
  out.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) {
    out[i] = {static_cast<llama_token>(i), logits[i], 0.0f};
  }
}

// The k best, best first. A heap with the worst of them on top: almost every logit of a large
// vocabulary fails the one comparison.
void take_best(std::span<const float> logits, std::size_t k, std::vector<llama_token_data> &out) {
  take_all(logits.first(k), out);
  std::make_heap(out.begin(), out.end(), better);
  for (std::size_t i = k; i < logits.size(); ++i) {
    if (logits[i] > out.front().logit) {
      std::pop_heap(out.begin(), out.end(), better);
      out.back() = {static_cast<llama_token>(i), logits[i], 0.0f};
      std::push_heap(out.begin(), out.end(), better);
    }
  }
  std::sort_heap(out.begin(), out.end(), better);
}

class LlamaSampler final : public Sampler {
public:
  LlamaSampler(const SamplingParams &params, std::int32_t n_ctx, std::span<const Token> suppressed)
      : history_(params, n_ctx), suppressed_(suppressed),
        top_k_(static_cast<std::size_t>(params.top_k)) {
    if (params.temperature > 0.0f) {
      chain_ = make_chain(params);
    }
  }

  Token sample(std::span<const float> logits) override {
    const std::span<const float> adjusted = adjust(logits);
    if (!chain_) {
      return argmax(adjusted);
    }
    const bool partial = top_k_ > 0 && top_k_ < adjusted.size();
    if (partial) {
      take_best(adjusted, top_k_, candidates_);
    } else {
      take_all(adjusted, candidates_);
    }
    llama_token_data_array array = {candidates_.data(), candidates_.size(), -1, partial};
    llama_sampler_apply(chain_.get(), &array);
    return array.data[array.selected].id;
  }

  void accept(Token token) override { history_.accept(token); }

private:
  // The logits as they are when nothing changes them, else a changed copy.
  std::span<const float> adjust(std::span<const float> logits) {
    if (!history_.active() && suppressed_.empty()) {
      return logits;
    }
    logits_.assign(logits.begin(), logits.end());
    for (const Token token : suppressed_) {
      logits_[static_cast<std::size_t>(token)] = kMinusInfinity;
    }
    history_.penalize(logits_);
    return logits_;
  }

  TokenHistory history_;
  std::span<const Token> suppressed_;
  std::size_t top_k_; // 0: off
  Chain chain_;       // null: greedy
  std::vector<float> logits_;
  std::vector<llama_token_data> candidates_;
};

void check_value(bool good, const char *name, double value, const char *allowed) {
  if (!good) {
    std::string text = std::to_string(value);
    if (std::isfinite(value) && value == std::floor(value) && std::abs(value) < 1e9) {
      text = std::to_string(static_cast<long long>(value));
    }
    throw Error(ErrorCode::kInvalidArgument, std::string(name) + " " + text + " is not " + allowed,
                name);
  }
}

} // namespace

Token argmax(std::span<const float> logits) {
  // Independent lanes let the compiler compare a whole register at a time.
  constexpr std::size_t kLanes = 32;
  std::array<float, kLanes> best;
  best.fill(kMinusInfinity);
  std::size_t i = 0;
  for (; i + kLanes <= logits.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float value = logits[i + lane];
      best[lane] = value > best[lane] ? value : best[lane];
    }
  }
  float largest = *std::max_element(best.begin(), best.end());
  for (; i < logits.size(); ++i) {
    largest = std::max(largest, logits[i]);
  }
  const auto found = std::find(logits.begin(), logits.end(), largest);
  return found == logits.end() ? 0 : static_cast<Token>(found - logits.begin());
}

void check_sampling(const SamplingParams &params) {
  const auto within = [](float value, float least, float most) {
    return value >= least && value <= most; // false for NaN
  };
  check_value(std::isfinite(params.temperature), "temperature", params.temperature,
              "a finite number");
  check_value(params.top_k >= 0, "top_k", params.top_k, "0 (off) or more");
  check_value(within(params.top_p, 0, 1), "top_p", params.top_p, "within 0 and 1");
  check_value(within(params.min_p, 0, 1), "min_p", params.min_p, "within 0 and 1");
  check_value(params.repeat_last_n >= -1, "repeat_last_n", params.repeat_last_n,
              "-1 (the context), 0 (off) or more");
  check_value(std::isfinite(params.repeat_penalty) && params.repeat_penalty > 0, "repeat_penalty",
              params.repeat_penalty, "a positive number");
  check_value(std::isfinite(params.frequency_penalty), "frequency_penalty",
              params.frequency_penalty, "a finite number");
  check_value(std::isfinite(params.presence_penalty), "presence_penalty", params.presence_penalty,
              "a finite number");
}

LlamaSamplerFactory::LlamaSamplerFactory(const llama_vocab *vocab, std::int32_t n_ctx)
    : n_vocab_(llama_vocab_n_tokens(vocab)), n_ctx_(n_ctx) {
  std::int32_t n = 0;
  const llama_token *tokens = llama_vocab_get_suppress_tokens(vocab, &n);
  for (std::int32_t i = 0; i < n; ++i) {
    if (tokens[i] >= 0 && tokens[i] < n_vocab_) {
      suppressed_.push_back(tokens[i]);
    }
  }
}

std::unique_ptr<Sampler> LlamaSamplerFactory::make(const SamplingParams &params,
                                                   std::span<const Token> prompt) const {
  check_sampling(params);
  auto sampler = std::make_unique<LlamaSampler>(params, n_ctx_, suppressed_);
  for (const Token token : prompt) {
    if (token >= 0 && token < n_vocab_) {
      sampler->accept(token);
    }
  }
  return sampler;
}

} // namespace llamabox
