// Prefixes on memory that cannot share or go back at any place: states kept on the way make second
// turns and common beginnings cheap, and what is computed is what a cold prefill gives.
#include "trails.h"

#include <cstdio>

using namespace llamabox;

namespace {

constexpr std::uint64_t kRam = std::uint64_t{1} << 26U;

struct Kind {
  const char *model;
  bool unified = true;
};

constexpr Kind kKinds[] = {{"mamba"}, {"hybrid"}, {"gemma3"}, {"swa"}, {"demo", false}, {"demo"}};

LlamaParams params_of(const Kind &kind, std::int32_t n_slots) {
  LlamaParams params = exact_params(kind.model, n_slots, 2048);
  params.context.kv_unified = kind.unified;
  params.context.n_ctx = kind.unified ? 2048 : 1024 * n_slots;
  return params;
}

std::string common() {
  std::string text = "<|im_start|>system\n";
  for (int i = 0; i < 24; ++i) {
    text += "Rule " + std::to_string(i * 13) + ": be brief and kind. ";
  }
  return text + "<|im_end|>\n<|im_start|>user\n";
}

std::string question(int i) {
  return "Number " + std::to_string(i * 31 + 5) + "?<|im_end|>\n<|im_start|>assistant\n";
}

std::vector<Trail> cold(const Kind &kind, const std::vector<std::string> &prompts,
                        std::int32_t n_new) {
  std::vector<Trail> trails;
  TrailRig rig(params_of(kind, 1), 0, false);
  for (const std::string &prompt : prompts) {
    trails.push_back(rig.run({prompt}, n_new).front());
  }
  return trails;
}

void check_equal(const Kind &kind, const std::vector<Trail> &expected,
                 const std::vector<Trail> &found) {
  CHECK(largest_share(expected, found) < rounding_share(kind.model));
  CHECK(n_different(expected, found, rounding_share(kind.model)) == 0);
}

} // namespace

TEST_CASE("a second turn takes the first one's prompt on every kind of memory") {
  for (const Kind &kind : kKinds) {
    CAPTURE(kind.model);
    CAPTURE(kind.unified);
    const std::string first = common() + question(1);
    // Not what the model said, as where a template leaves out what was thought.
    const std::string second = first + "Five.<|im_end|>\n<|im_start|>user\n" + question(2);
    TrailRig rig(params_of(kind, 1), kRam);
    rig.run({first}, 80);
    const auto n_first = static_cast<std::int32_t>(rig.stats().n_prompt_tokens);
    const std::vector<Trail> warm = rig.run({second}, 24);
    CHECK(rig.n_cached() >= n_first - 1);
    check_equal(kind, cold(kind, {second}, 24), warm);
  }
}

TEST_CASE("requests that begin alike read it once on every kind of memory") {
  for (const Kind &kind : kKinds) {
    CAPTURE(kind.model);
    CAPTURE(kind.unified);
    std::vector<std::string> prompts;
    for (int i = 0; i < 6; ++i) {
      prompts.push_back(common() + question(i));
    }
    TrailRig alone(params_of(kind, 1), kRam);
    alone.run({prompts[0]}, 1);
    const auto n_one = static_cast<double>(alone.stats().n_prompt_tokens);
    TrailRig rig(params_of(kind, 3), kRam);
    const std::vector<Trail> found = rig.run(prompts, 24);
    std::printf("%s%s: %d rows of prompts for %d requests of %.0f\n", kind.model,
                kind.unified ? "" : " (split)", static_cast<int>(rig.stats().n_prompt_tokens),
                static_cast<int>(prompts.size()), n_one);
    CHECK(static_cast<double>(rig.stats().n_prompt_tokens) < 1.5 * n_one);
    CHECK(rig.stats().n_joined_tokens > 0);
    check_equal(kind, cold(kind, prompts, 24), found);
  }
}

TEST_CASE("sixty-four requests share more than four windows and run past their own") {
  constexpr std::int32_t kRequests = 64;
  constexpr std::int32_t kNewTokens = 48; // the window is 32
  const Kind kind{"gemma3"};
  std::vector<std::string> prompts;
  for (int i = 0; i < kRequests; ++i) {
    prompts.push_back(common() + question(i));
  }
  const std::vector<Trail> expected = cold(kind, prompts, kNewTokens);
  for (const std::int32_t n_slots : {16, kRequests}) {
    CAPTURE(n_slots);
    LlamaParams params = params_of(kind, n_slots);
    params.context.n_ctx = 8192;
    TrailRig rig(params, n_slots < kRequests ? kRam : 0);
    const std::vector<Trail> found = rig.run(prompts, kNewTokens);
    CHECK(rig.stats().n_joined_tokens > static_cast<std::uint64_t>(n_slots - 1) * 4 * 32);
    check_equal(kind, expected, found);
    CHECK(rig.stats().n_preempted == 0);
  }
}
