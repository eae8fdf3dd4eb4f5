// Runs requests through a scheduler on a real model and notes every row of logits that a token was
// chosen from, so that a wrong, stale or lost cell shows long before it changes a text.
// Thread rule: test code, one thread. Covered by its users.
#pragma once

#include "engine/scheduler.h"
#include "tiny_model.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace llamabox {

struct Trail {
  std::vector<Token> tokens;
  std::vector<std::vector<float>> logits; // that each of them was chosen from
};

class TrailSampler final : public Sampler {
public:
  TrailSampler(std::unique_ptr<Sampler> sampler, Trail &trail)
      : sampler_(std::move(sampler)), trail_(trail) {}

  Token sample(std::span<const float> logits) override {
    trail_.logits.emplace_back(logits.begin(), logits.end());
    return sampler_->sample(logits);
  }
  void accept(Token token) override {
    trail_.tokens.push_back(token);
    sampler_->accept(token);
  }

private:
  std::unique_ptr<Sampler> sampler_;
  Trail &trail_;
};

// Cells of full precision, and no flash attention, whose sums in half precision depend on where
// cells lie: what is left is rounding by the shape of the batch.
inline LlamaParams exact_params(const std::string &model, std::int32_t n_slots,
                                std::int32_t n_ctx = 512) {
  LlamaParams params = small_params(model);
  params.context.n_ctx = n_ctx;
  params.context.n_slots = n_slots;
  params.context.flash_attn = FlashAttn::kOff;
  params.context.cache_type_k = "f32";
  params.context.cache_type_v = "f32";
  return params;
}

inline SamplingParams greedy_sampling() {
  SamplingParams params;
  params.temperature = 0;
  params.ignore_eos = true;
  return params;
}

class TrailRig {
public:
  // Without a cache every prompt is cold.
  explicit TrailRig(const LlamaParams &params, std::uint64_t n_ram = 0, bool has_cache = true)
      : models_(load_models(params)), registry_(kMostRequests) {
    EngineParams engine;
    engine.n_slots = params.context.n_slots;
    engine.cache_ram_bytes = n_ram;
    engine.cache_prompt = has_cache;
    scheduler_ = std::make_unique<Scheduler>(
        SchedulerContext{*models_, engine, clock_, registry_, channel_, shared_});
  }

  // Runs the prompts side by side, each with a seed of its own.
  std::vector<Trail> run(const std::vector<std::string> &prompts, std::int32_t max_tokens,
                         const SamplingParams &sampling = greedy_sampling()) {
    std::vector<Trail> trails(prompts.size());
    std::vector<Arrival> arrivals;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      GenerateRequest generate;
      generate.prompt = TextPrompt{prompts[i]};
      generate.max_tokens = max_tokens;
      generate.sampling = sampling;
      generate.sampling.seed = static_cast<std::uint32_t>(i) + 1;
      Submission submission;
      submission.ticket = registry_.accept();
      submission.request.body = generate;
      Arrival arrival = prepare(std::move(submission), *models_);
      REQUIRE_FALSE(arrival.error);
      arrival.samplers[0] =
          std::make_unique<TrailSampler>(std::move(arrival.samplers[0]), trails[i]);
      arrivals.push_back(std::move(arrival));
    }
    scheduler_->step(std::move(arrivals));
    while (!scheduler_->idle()) {
      scheduler_->step({});
    }
    for (const Event &event : channel_.drain()) {
      CHECK(event.error == ErrorCode::kNone);
      n_cached_ = event.kind == EventKind::kDone ? event.usage.n_cached : n_cached_;
    }
    return trails;
  }

  const Stats &stats() const { return scheduler_->stats(); }
  std::int32_t n_cached() const { return n_cached_; } // of the request that ended last

private:
  static constexpr std::int32_t kMostRequests = 256;

  std::unique_ptr<Models> models_;
  SteadyClock clock_;
  RequestRegistry registry_;
  EventChannel channel_;
  SharedStats shared_;
  std::unique_ptr<Scheduler> scheduler_;
  std::int32_t n_cached_ = 0;
};

// The largest difference between rows of logits that followed the same tokens, as a share of the
// expected row's spread. One wrong token of a prompt makes 0.002 and more (tiny_model.h).
inline float largest_share(const std::vector<Trail> &expected, const std::vector<Trail> &found) {
  float largest = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const std::size_t n = std::min(expected[i].tokens.size(), found[i].tokens.size());
    for (std::size_t at = 0; at < n; ++at) {
      const auto &row = expected[i].logits[at];
      const auto [least, most] = std::minmax_element(row.begin(), row.end());
      largest = std::max(largest, largest_difference(row, found[i].logits[at]) / (*most - *least));
      if (expected[i].tokens[at] != found[i].tokens[at]) {
        break;
      }
    }
  }
  return largest;
}

// What rounding may make of the logits of a model: weights of 8 bits round their input too.
inline float rounding_share(const std::string &model) { return model == "demo" ? 0.03F : 0.0015F; }

// Texts that differ, but where the two best logits are so near that rounding may choose.
inline int n_different(const std::vector<Trail> &expected, const std::vector<Trail> &found,
                       float rounding) {
  int n = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto [at, other] = std::ranges::mismatch(expected[i].tokens, found[i].tokens);
    if (at == expected[i].tokens.end()) {
      continue;
    }
    std::vector<float> row =
        expected[i].logits[static_cast<std::size_t>(at - expected[i].tokens.begin())];
    std::ranges::partial_sort(row, row.begin() + 2, std::greater<>());
    const float spread = row[0] - *std::ranges::min_element(row);
    std::printf("text %zu differs, gap %.2g of the spread\n", i,
                static_cast<double>((row[0] - row[1]) / spread));
    n += row[0] - row[1] < 2 * rounding * spread ? 0 : 1;
  }
  return n;
}

} // namespace llamabox
