// Options of the model and its context whose effect shows in what it computes or says of itself.
#include "tiny_model.h"

using namespace llamabox;

namespace {

std::vector<float> logits_of(const LlamaParams &params) {
  const auto models = load_models(params);
  return run(*models, 0, 0, some_tokens(60));
}

template <class Change> std::vector<float> logits_with_rope(Change change) {
  LlamaParams params = small_params("demo");
  change(params.context.rope);
  return logits_of(params);
}

std::string refused_option(const LlamaParams &params) {
  const Error error = error_of([&] { load_models(params); });
  CHECK(error.code() == ErrorCode::kLoadFailed);
  CHECK(contains(error.what(), error.param()));
  return error.param();
}

template <class Change> std::string refused_model(Change change) {
  LlamaParams params = small_params("demo");
  change(params.model);
  return refused_option(params);
}

template <class Change> std::string refused_context(Change change) {
  LlamaParams params = small_params("demo");
  change(params.context);
  return refused_option(params);
}

} // namespace

TEST_CASE("every value of the position encoding reaches the computation") {
  const std::vector<float> plain = logits_with_rope([](RopeParams &) {});
  const auto differs = [](const std::vector<float> &a, const std::vector<float> &b) {
    return largest_difference(a, b) > 1e-3F;
  };
  CHECK(logits_with_rope([](RopeParams &r) { r.freq_base = 10000.0F; }) == plain);
  CHECK(differs(logits_with_rope([](RopeParams &r) { r.freq_base = 50000.0F; }), plain));
  const auto halved = logits_with_rope([](RopeParams &r) { r.freq_scale = 0.5F; });
  CHECK(differs(halved, plain));
  const auto with = [&](auto change) {
    return logits_with_rope([&](RopeParams &r) {
      r.freq_scale = 0.5F;
      change(r);
    });
  };
  CHECK(with([](RopeParams &r) { r.scaling = RopeScaling::kLinear; }) == halved);
  CHECK(with([](RopeParams &r) { r.scaling = RopeScaling::kNone; }) == plain);
  const auto yarn = [&](auto change) {
    return with([&](RopeParams &r) {
      r.scaling = RopeScaling::kYarn;
      r.yarn_orig_ctx = 256;
      change(r);
    });
  };
  const auto base = yarn([](RopeParams &) {});
  CHECK(differs(base, halved));
  CHECK(differs(yarn([](RopeParams &r) { r.yarn_orig_ctx = 8192; }), base));
  CHECK(differs(yarn([](RopeParams &r) { r.yarn_ext_factor = 0.5F; }), base));
  // With extrapolation upstream computes the magnitude itself.
  const auto with_magnitude = [&](float magnitude) {
    return yarn([magnitude](RopeParams &r) {
      r.yarn_ext_factor = 0.0F;
      r.yarn_attn_factor = magnitude;
    });
  };
  CHECK(differs(with_magnitude(2.0F), with_magnitude(1.0F)));
  CHECK(differs(yarn([](RopeParams &r) { r.yarn_beta_fast = 4.0F; }), base));
  CHECK(differs(yarn([](RopeParams &r) { r.yarn_beta_slow = 3.0F; }), base));
}

TEST_CASE("metadata given on the command line replaces the file's") {
  LlamaParams params = small_params("demo");
  params.model.overrides = {{"llama.context_length", std::int64_t{128}}};
  CHECK(load_models(params)->info.n_ctx_train == 128);
  params.model.overrides = {{"llama.rope.freq_base", 50000.0}};
  const auto by_rope = logits_with_rope([](RopeParams &r) { r.freq_base = 50000.0F; });
  CHECK(logits_of(params) == by_rope);
  params.model.overrides = {{"tokenizer.ggml.add_bos_token", true}};
  const auto models = load_models(params);
  const auto plain = load("demo");
  const TokenizeOptions special{.add_special = true};
  CHECK(models->vocab->tokenize("hi", special).size() ==
        plain->vocab->tokenize("hi", special).size() + 1);
}

TEST_CASE("tensors can be placed by name, with the same logits") {
  LlamaParams params = small_params("demo");
  params.model.placements = {{"ffn_.*", "CPU"}, {".*", "CPU"}};
  const auto models = load_models(params);
  const auto plain = load("demo");
  const std::vector<Token> tokens = some_tokens(20);
  check_same(*models, run(*models, 0, 0, tokens), run(*plain, 0, 0, tokens));
}

TEST_CASE("options of the model that nothing could honour are refused by name") {
  using M = ModelParams;
  CHECK(refused_model([](M &m) { m.devices = std::vector<std::string>{"GPU9"}; }) == "device");
  for (const SplitMode mode : {SplitMode::kRow, SplitMode::kTensor}) {
    const auto share = [mode](M &m) {
      m.devices.emplace(); // none
      m.split_mode = mode;
    };
    CHECK(refused_model(share) == "split-mode");
  }
  CHECK(refused_model([](M &m) { m.placements = {{".*", "NOWHERE"}}; }) == "override-tensor");
  CHECK(refused_model([](M &m) { m.placements = {{"([", "CPU"}}; }) == "override-tensor");
  CHECK(refused_model([](M &m) { m.overrides = {{"general.name", std::string("x")}}; }) ==
        "override-kv");
  CHECK(refused_model([](M &m) { m.main_gpu = -1; }) == "main-gpu");
  CHECK(refused_model([](M &m) { m.tensor_split = {-1.0F}; }) == "tensor-split");
  CHECK(refused_model([](M &m) { m.tensor_split.assign(1000, 1.0F); }) == "tensor-split");
}

TEST_CASE("options of the context that nothing could honour are refused by name") {
  using C = ContextParams;
  CHECK(refused_context([](C &c) { c.placement.cpus = {511}; }) == "cpu-mask");
  CHECK(refused_context([](C &c) { c.placement_batch.cpus = {-1}; }) == "cpu-mask-batch");
  CHECK(refused_context([](C &c) { c.placement.priority = 4; }) == "prio");
  CHECK(refused_context([](C &c) { c.placement_batch.priority = -1; }) == "prio-batch");
  CHECK(refused_context([](C &c) { c.placement.poll = 101; }) == "poll");
  CHECK(refused_context([](C &c) { c.placement_batch.poll = -1; }) == "poll-batch");
  CHECK(refused_context([](C &c) { c.rope.freq_base = 0.0F; }) == "rope-freq-base");
  CHECK(refused_context([](C &c) { c.rope.freq_scale = -1.0F; }) == "rope-freq-scale");
  CHECK(refused_context([](C &c) { c.rope.yarn_orig_ctx = -1; }) == "yarn-orig-ctx");
  CHECK(refused_context([](C &c) { c.rope.yarn_beta_slow = -1.0F; }) == "yarn-beta-slow");
}
