// Prefixes on memory that cannot share or go back at any place: states kept on the way make second
// turns and common beginnings cheap, and what is computed is what a cold prefill gives.
#include "trails.h"

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

// Of prompts that run one after the other without a cache.
Trails cold(const Kind &kind, const std::vector<std::string> &prompts, std::int32_t n_new) {
  Trails trails;
  TrailRig rig(params_of(kind, 1), 0, false);
  for (const std::string &prompt : prompts) {
    trails.push_back(rig.run({prompt}, n_new).front());
  }
  return trails;
}

std::vector<std::string> questions(int n) {
  std::vector<std::string> prompts;
  for (int i = 0; i < n; ++i) {
    prompts.push_back(common() + question(i));
  }
  return prompts;
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
    const Trails expected = cold(kind, {second}, 24);
    rig.check_same(expected, rig.run({second}, 24, expected));
    CHECK(rig.n_cached() >= n_first - 1);
  }
}

TEST_CASE("requests that begin alike read it once on every kind of memory") {
  constexpr std::int32_t kRequests = 6;
  for (const Kind &kind : kKinds) {
    CAPTURE(kind.model);
    CAPTURE(kind.unified);
    const Trails expected = cold(kind, questions(kRequests), 24);
    TrailRig rig(params_of(kind, 3), kRam);
    rig.check_same(expected, rig.run(questions(kRequests), 24, expected));
    TrailRig alone(params_of(kind, 1), kRam);
    alone.run(questions(1), 1);
    CHECK(rig.stats().n_prompt_tokens < alone.stats().n_prompt_tokens * 3 / 2);
    CHECK(rig.stats().n_joined_tokens > 0);
  }
}

TEST_CASE("sixty-four requests share more than four windows and run past their own") {
  constexpr std::int32_t kRequests = 64;
  constexpr std::int32_t kNewTokens = 48; // the window is 32
  const Kind kind{"gemma3"};
  const Trails expected = cold(kind, questions(kRequests), kNewTokens);
  for (const std::int32_t n_slots : {16, kRequests}) {
    CAPTURE(n_slots);
    LlamaParams params = params_of(kind, n_slots);
    params.context.n_ctx = 8192;
    TrailRig rig(params, n_slots < kRequests ? kRam : 0);
    rig.check_same(expected, rig.run(questions(kRequests), kNewTokens, expected));
    CHECK(rig.stats().n_joined_tokens > static_cast<std::uint64_t>(n_slots - 1) * 4 * 32);
    CHECK(rig.stats().n_preempted == 0);
  }
}
