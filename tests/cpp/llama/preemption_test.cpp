// Memory for half of the requests: sequences give way and come back. Every row of logits is that of
// the undisturbed run up to rounding, and every text is the same.
#include "trails.h"

#include <cstdio>

using namespace llamabox;

namespace {

constexpr std::int32_t kRequests = 8;
constexpr std::int32_t kNewTokens = 96;
constexpr std::int32_t kCells = 512;

std::vector<std::string> prompts() {
  const std::vector<std::string> questions{"Tell me a story.", "Count to ten.", "Who are you?"};
  std::vector<std::string> all;
  for (std::size_t i = 0; i < kRequests; ++i) {
    all.push_back("<|im_start|>user\nNumber " + std::to_string(i * 7) + ". " + questions[i % 3] +
                  " And then say more about it, please.<|im_end|>\n<|im_start|>assistant\n");
  }
  return all;
}

std::vector<Trail> undisturbed(const std::string &model, const SamplingParams &sampling) {
  TrailRig rig(exact_params(model, 1, kCells));
  auto trails = rig.run(prompts(), kNewTokens, sampling);
  CHECK(rig.stats().n_preempted == 0);
  return trails;
}

} // namespace

TEST_CASE("preempted equals undisturbed on every kind of memory that can run out") {
  for (const char *model : {"demo", "moe", "swa", "gemma3", "hybrid"}) {
    CAPTURE(model);
    const std::vector<Trail> alone = undisturbed(model, greedy_sampling());
    for (const std::uint64_t n_ram : {std::uint64_t{0}, std::uint64_t{1} << 26U}) {
      CAPTURE(n_ram);
      TrailRig rig(exact_params(model, kRequests, kCells), n_ram);
      const std::vector<Trail> tight = rig.run(prompts(), kNewTokens);
      const float share = largest_share(alone, tight);
      std::printf("%s: %d preempted, %d tokens lost, %d restored, logits differ by %.2g\n", model,
                  static_cast<int>(rig.stats().n_preempted),
                  static_cast<int>(rig.stats().n_preempted_tokens),
                  static_cast<int>(rig.stats().n_restored_tokens), static_cast<double>(share));
      CHECK(rig.stats().n_preempted >= 3);
      CHECK(share < rounding_share(model));
      CHECK(n_different(alone, tight, rounding_share(model)) == 0);
    }
  }
}

TEST_CASE("preemption keeps random state, grammar and penalties") {
  SamplingParams params;
  params.temperature = 0.9F;
  params.repeat_penalty = 1.2F;
  params.frequency_penalty = 0.3F;
  params.presence_penalty = 0.2F;
  params.dry_multiplier = 0.5F;
  params.ignore_eos = true;
  params.grammar.text = "root ::= (word \" \")+\nword ::= [a-z] [a-z] [a-z]?";
  params.grammar.text_only = true;
  const std::vector<Trail> alone = undisturbed("demo", params);
  for (const std::uint64_t n_ram : {std::uint64_t{0}, std::uint64_t{1} << 26U}) {
    TrailRig rig(exact_params("demo", kRequests, kCells), n_ram);
    const std::vector<Trail> tight = rig.run(prompts(), kNewTokens, params);
    CHECK(rig.stats().n_preempted >= 3);
    CHECK(n_different(alone, tight, 0) == 0);
  }
}
