#include "llama/sampler_chain.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <limits>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace llamabox {
namespace {

constexpr std::size_t kDryKept = 8;
constexpr std::int32_t kMirostatTokens = 100; // that estimate the distribution's slope

std::uint32_t seed_of(const SamplingParams &params) {
  if (!params.seed) {
    std::random_device device;
    return static_cast<std::uint32_t>(device()) & 0x7fffffffu;
  }
  // Upstream draws a random seed for this one value, but a given seed must repeat its choices.
  return *params.seed == LLAMA_DEFAULT_SEED ? LLAMA_DEFAULT_SEED - 1 : *params.seed;
}

struct ChainBuild {
  const SamplingParams &params;
  const ChainContext &context;
  std::uint32_t seed;

  std::size_t min_keep() const { return static_cast<std::size_t>(std::max(1, params.min_keep)); }
};

// A candidate far below the best has a probability of 0 in single precision, whose logarithm would
// turn sums over all candidates into NaN.
void drop_impossible(llama_sampler *, llama_token_data_array *candidates) {
  constexpr float kMostBelow = 80.0f;
  float best = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < candidates->size; ++i) {
    best = std::max(best, candidates->data[i].logit);
  }
  std::size_t n = 0;
  for (std::size_t i = 0; i < candidates->size; ++i) {
    if (candidates->data[i].logit >= best - kMostBelow) {
      candidates->data[n++] = candidates->data[i];
    }
  }
  candidates->size = n;
}

llama_sampler *make_drop_impossible() {
  static llama_sampler_i methods = {
      .name = [](const llama_sampler *) { return "drop-impossible"; },
      .apply = drop_impossible,
  };
  return llama_sampler_init(&methods, nullptr);
}

bool is_on(const SamplingParams &p, std::string_view name) {
  const bool penalizes =
      p.repeat_penalty != 1.0f || p.frequency_penalty != 0.0f || p.presence_penalty != 0.0f;
  const std::array<std::pair<std::string_view, bool>, 9> states = {{
      {"penalties", penalizes && p.repeat_last_n != 0},
      {"dry", p.dry_multiplier != 0.0f && p.dry_penalty_last_n != 0},
      {"top_n_sigma", p.top_n_sigma > 0.0f},
      {"top_k", p.top_k > 0},
      {"typ_p", p.typical_p < 1.0f},
      {"top_p", p.top_p < 1.0f},
      {"min_p", p.min_p > 0.0f},
      {"xtc", p.xtc_probability > 0.0f && p.xtc_threshold <= 0.5f},
      {"temperature", true},
  }};
  const auto found = std::ranges::find(states, name, &std::pair<std::string_view, bool>::first);
  return found != states.end() && found->second;
}

using Names = std::vector<std::string_view>;

bool is_greedy(const SamplingParams &params) {
  const bool tempered = std::ranges::find(params.samplers, "temperature") != params.samplers.end();
  return tempered && params.temperature <= 0.0f && params.dynatemp_range == 0.0f;
}

Names active_names(const SamplingParams &params, bool mirostat) {
  constexpr std::array<std::string_view, 3> kBesideMirostat = {"penalties", "dry", "temperature"};
  Names names;
  for (const std::string &name : params.samplers) {
    const bool kept =
        !mirostat || std::ranges::find(kBesideMirostat, name) != kBesideMirostat.end();
    if (kept && is_on(params, name)) {
      names.emplace_back(name);
    }
  }
  return names;
}

// Whether the largest logit survives all that comes before a temperature of 0.
bool keeps_best(const Names &names) {
  constexpr std::array<std::string_view, 4> kKeepBest = {"top_n_sigma", "top_k", "top_p", "min_p"};
  for (const std::string_view name : names) {
    if (name == "temperature") {
      return true;
    }
    if (std::ranges::find(kKeepBest, name) == kKeepBest.end()) {
      return false;
    }
  }
  return true;
}

using Maker = void (*)(llama_sampler *chain, const ChainBuild &);

void add_penalties(llama_sampler *chain, const ChainBuild &build) {
  const SamplingParams &p = build.params;
  const std::int32_t last_n = p.repeat_last_n < 0 ? build.context.n_ctx : p.repeat_last_n;
  llama_sampler_chain_add(chain, llama_sampler_init_penalties(build.context.n_vocab, last_n,
                                                              p.repeat_penalty, p.frequency_penalty,
                                                              p.presence_penalty));
}

void add_dry(llama_sampler *chain, const ChainBuild &build) {
  llama_sampler_chain_add(chain, build.context.dry.make(build.params).release());
}

void add_typical(llama_sampler *chain, const ChainBuild &build) {
  llama_sampler_chain_add(chain, make_drop_impossible());
  llama_sampler_chain_add(chain,
                          llama_sampler_init_typical(build.params.typical_p, build.min_keep()));
}

void add_temperature(llama_sampler *chain, const ChainBuild &build) {
  const SamplingParams &p = build.params;
  llama_sampler_chain_add(
      chain, p.dynatemp_range > 0.0f
                 ? llama_sampler_init_temp_ext(p.temperature, p.dynatemp_range, p.dynatemp_exponent)
                 : llama_sampler_init_temp(p.temperature));
}

Maker maker_of(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, Maker>, 9> kMakers = {{
      {"penalties", add_penalties},
      {"dry", add_dry},
      {"typ_p", add_typical},
      {"temperature", add_temperature},
      {"top_n_sigma",
       [](llama_sampler *chain, const ChainBuild &b) {
         llama_sampler_chain_add(chain, llama_sampler_init_top_n_sigma(b.params.top_n_sigma));
       }},
      {"top_k",
       [](llama_sampler *chain, const ChainBuild &b) {
         llama_sampler_chain_add(chain, llama_sampler_init_top_k(b.params.top_k));
       }},
      {"top_p",
       [](llama_sampler *chain, const ChainBuild &b) {
         llama_sampler_chain_add(chain, llama_sampler_init_top_p(b.params.top_p, b.min_keep()));
       }},
      {"min_p",
       [](llama_sampler *chain, const ChainBuild &b) {
         llama_sampler_chain_add(chain, llama_sampler_init_min_p(b.params.min_p, b.min_keep()));
       }},
      {"xtc",
       [](llama_sampler *chain, const ChainBuild &b) {
         llama_sampler_chain_add(chain, llama_sampler_init_xtc(b.params.xtc_probability,
                                                               b.params.xtc_threshold, b.min_keep(),
                                                               b.seed));
       }},
  }};
  return std::ranges::find(kMakers, name, &std::pair<std::string_view, Maker>::first)->second;
}

// The sampler that picks one of the candidates that are left.
llama_sampler *make_choice(const ChainBuild &build, bool greedy, bool mirostat) {
  const SamplingParams &p = build.params;
  if (greedy) {
    return llama_sampler_init_greedy();
  }
  if (!mirostat) {
    return llama_sampler_init_dist(build.seed);
  }
  return p.mirostat == 1
             ? llama_sampler_init_mirostat(build.context.n_vocab, build.seed, p.mirostat_tau,
                                           p.mirostat_eta, kMirostatTokens)
             : llama_sampler_init_mirostat_v2(build.seed, p.mirostat_tau, p.mirostat_eta);
}

} // namespace

UpstreamSampler DrySamplers::make(const SamplingParams &params) {
  std::string key;
  for (const std::uint32_t part : {std::bit_cast<std::uint32_t>(params.dry_multiplier),
                                   std::bit_cast<std::uint32_t>(params.dry_base),
                                   static_cast<std::uint32_t>(params.dry_allowed_length),
                                   static_cast<std::uint32_t>(params.dry_penalty_last_n)}) {
    key += std::to_string(part) + ' ';
  }
  std::vector<const char *> breakers;
  for (const std::string &text : params.dry_sequence_breakers) {
    key += ' ' + std::to_string(text.size()) + ' ' + text;
    breakers.push_back(text.c_str());
  }
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(recent_, [&](const auto &e) { return e.first == key; });
  if (found != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, found);
  } else {
    // No sequence is longer than the context, so neither is what it repeats.
    const std::int32_t last_n =
        params.dry_penalty_last_n < 0 ? n_ctx_ : std::min(n_ctx_, params.dry_penalty_last_n);
    UpstreamSampler made(llama_sampler_init_dry(vocab_, params.dry_multiplier, params.dry_base,
                                                params.dry_allowed_length, last_n, breakers.data(),
                                                breakers.size()));
    recent_.emplace_front(std::move(key), std::move(made));
    if (recent_.size() > kDryKept) {
      recent_.pop_back();
    }
  }
  return UpstreamSampler(llama_sampler_clone(recent_.front().second.get()));
}

ChainPlan plan_chain(const SamplingParams &params, const ChainContext &context) {
  const bool greedy = is_greedy(params);
  const bool mirostat = params.mirostat != 0 && !greedy;
  Names names = active_names(params, mirostat);
  ChainPlan plan;
  if (!names.empty() && names.front() == "penalties") {
    plan.penalties_first = true;
    names.erase(names.begin());
  }
  plan.greedy = greedy && keeps_best(names);
  if (plan.greedy) {
    return plan;
  }
  if (!names.empty() && names.front() == "top_k") {
    plan.top_k = params.top_k;
    names.erase(names.begin());
  }
  plan.draws_once = !greedy && !mirostat && std::ranges::find(names, "xtc") == names.end();
  const ChainBuild build{params, context, seed_of(params)};
  llama_sampler_chain_params chain_params = llama_sampler_chain_default_params();
  chain_params.no_perf = true;
  plan.chain.reset(llama_sampler_chain_init(chain_params));
  for (const std::string_view name : names) {
    maker_of(name)(plan.chain.get(), build);
  }
  if (mirostat) {
    llama_sampler_chain_add(plan.chain.get(), make_drop_impossible());
  }
  llama_sampler_chain_add(plan.chain.get(), make_choice(build, greedy, mirostat));
  return plan;
}

} // namespace llamabox
