// Runs requests through a scheduler on a real model and notes every row of logits that a token
// was chosen from, so that a wrong, stale or lost cell shows long before it changes a text. Another
// run follows the tokens of the first one, whatever rounding makes of a near tie: all of its rows
// can be compared.
// Thread rule: test code, one thread. Covered by its users.
#pragma once

#include "engine/scheduler.h"
#include "tiny_model.h"

#include <algorithm>
#include <cstdint>
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

using Trails = std::vector<Trail>; // by prompt

// Chooses as another sampler does, or what another trail has there.
class TrailSampler final : public Sampler {
public:
  TrailSampler(std::unique_ptr<Sampler> sampler, Trail &trail, const Trail *followed)
      : sampler_(std::move(sampler)), trail_(trail), followed_(followed) {}

  Token sample(std::span<const float> logits) override {
    trail_.logits.emplace_back(logits.begin(), logits.end());
    return followed_ ? followed_->tokens.at(trail_.tokens.size()) : sampler_->sample(logits);
  }
  void accept(Token token) override {
    trail_.tokens.push_back(token);
    sampler_->accept(token);
  }

private:
  std::unique_ptr<Sampler> sampler_;
  Trail &trail_;
  const Trail *followed_; // null: nobody
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

  // Runs the prompts side by side, greedily and to the full length.
  Trails run(const std::vector<std::string> &prompts, std::int32_t max_tokens,
             const Trails &followed = {}) {
    Trails trails(prompts.size());
    std::vector<Arrival> arrivals;
    for (std::size_t i = 0; i < prompts.size(); ++i) {
      GenerateRequest generate;
      generate.prompt = TextPrompt{prompts[i]};
      generate.max_tokens = max_tokens;
      generate.sampling.temperature = 0;
      generate.sampling.ignore_eos = true;
      Submission submission;
      submission.ticket = registry_.accept();
      submission.request.body = generate;
      Arrival arrival = prepare(std::move(submission), *models_);
      REQUIRE_FALSE(arrival.error);
      const Trail *other = followed.empty() ? nullptr : &followed[i];
      arrival.samplers[0] =
          std::make_unique<TrailSampler>(std::move(arrival.samplers[0]), trails[i], other);
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

  // What followed `expected` must have found the same logits, row by row.
  void check_same(const Trails &expected, const Trails &found) const {
    REQUIRE(expected.size() == found.size());
    float largest = 0;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      REQUIRE(expected[i].tokens == found[i].tokens);
      for (std::size_t at = 0; at < expected[i].logits.size(); ++at) {
        largest = std::max(largest, difference(expected[i].logits[at], found[i].logits[at]));
      }
    }
    CHECK(largest < rounding_of(*models_));
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

} // namespace llamabox
