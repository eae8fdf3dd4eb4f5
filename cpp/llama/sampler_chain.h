// From sampling parameters to llama.cpp's samplers: those that change nothing are left out, and
// what the caller can do faster on the plain logits is taken off the front.
// Thread rule: DrySamplers from any thread; the rest is pure.
// Covered by tests/cpp/llama/sampler_test.cpp and sampler_order_test.cpp.
#pragma once

#include "model/sampling_params.h"

#include "llama.h"

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace llamabox {

struct FreeSampler {
  void operator()(llama_sampler *sampler) const { llama_sampler_free(sampler); }
};
using UpstreamSampler = std::unique_ptr<llama_sampler, FreeSampler>;

// Finding which tokens break a sequence visits the whole vocabulary for every breaker, so the last
// few samplers are kept and copied.
class DrySamplers {
public:
  DrySamplers(const llama_vocab *vocab, std::int32_t n_ctx) : vocab_(vocab), n_ctx_(n_ctx) {}
  UpstreamSampler make(const SamplingParams &params);

private:
  const llama_vocab *vocab_;
  std::int32_t n_ctx_;
  std::mutex mutex_;
  std::list<std::pair<std::string, UpstreamSampler>> recent_; // the latest first
};

// What decides on a token once the logits are known.
struct ChainPlan {
  bool penalties_first = false; // on the plain logits, before the chain
  bool greedy = false;          // the largest logit; there is no chain
  bool draws_once = false;      // all chance is in the chain's last sampler
  std::int32_t top_k = 0;       // only so many candidates enter the chain; 0: all
  UpstreamSampler chain;        // null when greedy
};

struct ChainContext {
  std::int32_t n_vocab;
  std::int32_t n_ctx;
  DrySamplers &dry;
};

ChainPlan plan_chain(const SamplingParams &params, const ChainContext &context);

} // namespace llamabox
