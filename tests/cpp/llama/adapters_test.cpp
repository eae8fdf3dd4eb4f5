// LoRA adapters and control vectors on the demo model.
#include "tiny_model.h"

#include "temp_model.h"

using namespace llamabox;

namespace {

LlamaParams with_loras() {
  LlamaParams params = small_params("demo");
  params.adapters.loras = {{model_path("lora-a"), 1.0F}, {model_path("lora-b"), 1.0F}};
  return params;
}

std::vector<float> logits_with(Models &models, const LoraSet &loras) {
  models.runner->set_loras(loras);
  models.kv->trim(0, 0);
  return run(models, 0, 0, some_tokens(20));
}

std::vector<float> logits_of(const LlamaParams &params) {
  const auto models = load_models(params);
  return run(*models, 0, 0, some_tokens(20));
}

Error refusal(const LlamaParams &params) {
  Error error = error_of([&] { load_models(params); });
  CHECK(error.code() == ErrorCode::kLoadFailed);
  CHECK_FALSE(contains(error.what(), "\n"));
  return error;
}

} // namespace

TEST_CASE("each set of adapters changes the logits, and none of them gives those of the model") {
  const auto plain = load("demo");
  const std::vector<float> none = run(*plain, 0, 0, some_tokens(20));
  const auto models = load_models(with_loras());
  REQUIRE(models->info.loras.size() == 2);
  CHECK(models->info.loras[0].path == model_path("lora-a"));

  CHECK(logits_with(*models, {}) == none);
  CHECK(logits_with(*models, {{0, 0.0F}}) == none);
  const std::vector<float> a = logits_with(*models, {{0, 1.0F}});
  const std::vector<float> b = logits_with(*models, {{1, 1.0F}});
  const std::vector<float> half = logits_with(*models, {{0, 0.5F}});
  const std::vector<float> both = logits_with(*models, {{0, 1.0F}, {1, 1.0F}});
  for (const auto *changed : {&a, &b, &half, &both}) {
    CHECK(largest_difference(*changed, none) > 0.1F);
  }
  CHECK(largest_difference(a, b) > 0.1F);
  CHECK(largest_difference(a, half) > 0.1F);
  CHECK(largest_difference(a, both) > 0.1F);
  CHECK(logits_with(*models, {{0, 1.0F}}) == a);
  CHECK(logits_with(*models, {}) == none);
}

TEST_CASE("files that are no LoRA of this model are refused before they are used") {
  LlamaParams params = small_params("demo");
  const auto refused = [&](const std::string &path) {
    params.adapters.loras = {{path, 1.0F}};
    CHECK(contains(refusal(params).what(), path));
  };
  refused("/nonexistent/lora.gguf");
  refused(model_path("demo"));
  refused(model_path("control"));
  const std::string whole = bytes_of(model_path("lora-a"));
  const TempFile cut(whole.substr(0, whole.size() - 256));
  refused(cut.path());
  params = small_params("mamba");
  refused(model_path("lora-a"));
}

TEST_CASE("a control vector changes the logits by its scale, in the layers of its range") {
  LlamaParams params = small_params("demo");
  const std::vector<float> none = logits_of(params);
  params.adapters.control_vectors = {{model_path("control"), 1.0F}};
  const std::vector<float> whole = logits_of(params);
  CHECK(largest_difference(whole, none) > 0.1F);
  params.adapters.control_last_layer = 1;
  const std::vector<float> first = logits_of(params);
  CHECK(largest_difference(first, none) > 0.1F);
  CHECK(largest_difference(first, whole) > 0.1F);
  params.adapters.control_last_layer = -1;
  params.adapters.control_vectors[0].scale = 0;
  CHECK(logits_of(params) == none);
  // Two halves are a whole.
  params.adapters.control_vectors = {{model_path("control"), 0.5F}, {model_path("control"), 0.5F}};
  CHECK(largest_difference(logits_of(params), whole) < 0.01F);
}

TEST_CASE("control vectors and layers that do not fit are refused") {
  LlamaParams params = small_params("demo");
  params.adapters.control_vectors = {{model_path("control"), 1.0F}};
  for (const auto &[first, last] : {std::pair{2, 1}, std::pair{1, 3}, std::pair{0, 1}}) {
    params.adapters.control_first_layer = first;
    params.adapters.control_last_layer = last;
    CHECK(refusal(params).param() == "control-vector-layer-range");
  }
  params.adapters = {};
  params.adapters.control_vectors = {{model_path("lora-a"), 1.0F}};
  CHECK(contains(refusal(params).what(), "controlvector"));
}
