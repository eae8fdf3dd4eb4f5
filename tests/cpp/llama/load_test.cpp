#include "temp_model.h"
#include "tiny_model.h"

using namespace llamabox;

namespace {

Error refusal(const LlamaParams &params) {
  Error error = error_of([&] { load_models(params); });
  CHECK(error.code() == ErrorCode::kLoadFailed);
  CHECK_FALSE(contains(error.what(), "\n"));
  return error;
}

Error refusal_of_file(const std::string &path) {
  LlamaParams params = small_params("demo");
  params.model.model_path = path;
  const Error error = refusal(params);
  CHECK(contains(error.what(), path));
  return error;
}

template <class Change> Error refusal_of(Change change) {
  LlamaParams params = small_params("demo");
  change(params.context);
  return refusal(params);
}

} // namespace

TEST_CASE("a file that is no model is refused with its name") {
  refusal_of_file("/nonexistent/model.gguf");
  const TempFile text("this is not a model");
  refusal_of_file(text.path());
  const std::string whole = bytes_of(model_path("demo"));
  REQUIRE(whole.size() > 4096);
  const TempFile short_header(whole.substr(0, 2000));
  refusal_of_file(short_header.path());
  const TempFile short_data(whole.substr(0, whole.size() - 4096));
  refusal_of_file(short_data.path());
}

TEST_CASE("facts of the demo model") {
  const auto models = load("demo");
  CHECK(models->info.architecture == "llama");
  CHECK(models->info.vocab_type == "bpe");
  CHECK(models->info.n_vocab == models->vocab->n_tokens());
  CHECK(models->info.n_ctx_train > 0);
  CHECK(models->info.n_embd > 0);
  CHECK(models->info.n_params > 100000);
  CHECK(models->info.size_bytes > 100000);
  CHECK(models->info.has_chat_template);
  CHECK(models->proposer == nullptr);
}

TEST_CASE("sizes are rounded as upstream does, and reported") {
  LlamaParams params = small_params("demo");
  params.context.n_ctx = 300;
  const auto models = load_models(params);
  CHECK(models->runner->limits().n_ctx == 512);
  CHECK(models->runner->limits().n_batch == 256);
  CHECK(models->runner->limits().n_vocab == models->info.n_vocab);
  CHECK(models->runner->limits().n_embd == models->info.n_embd);
}

TEST_CASE("without unified memory the slots share out the context") {
  LlamaParams params = small_params("demo");
  params.context.kv_unified = false;
  params.context.n_ctx = 1024;
  const auto models = load_models(params);
  CHECK(models->runner->limits().n_ctx == 256);
}

TEST_CASE("a context of the model's own length") {
  LlamaParams params = small_params("demo");
  params.context.n_ctx = 0;
  const auto models = load_models(params);
  CHECK(models->runner->limits().n_ctx == models->info.n_ctx_train);
}

TEST_CASE("what upstream would assert on or change is refused by name") {
  const auto names = [](const Error &error, const char *option) {
    CHECK(error.param() == option);
    CHECK(contains(error.what(), option));
  };
  names(refusal_of([](ContextParams &p) { p.n_slots = 0; }), "parallel");
  names(refusal_of([](ContextParams &p) { p.n_slots = 257; }), "parallel");
  names(refusal_of([](ContextParams &p) { p.n_ctx = -1; }), "ctx-size");
  names(refusal_of([](ContextParams &p) { p.n_batch = 0; }), "batch-size");
  names(refusal_of([](ContextParams &p) { p.n_batch = 3; }), "batch-size");
  names(refusal_of([](ContextParams &p) { p.n_ctx = 3; }), "ctx-size");
  names(refusal_of([](ContextParams &p) { p.n_ubatch = 0; }), "ubatch-size");
  names(refusal_of([](ContextParams &p) { p.n_threads = -2; }), "threads");
  names(refusal_of([](ContextParams &p) { p.n_threads_batch = 100000; }), "threads-batch");
  names(refusal_of([](ContextParams &p) { p.cache_type_k = "q3_k"; }), "cache-type-k");
  names(refusal_of([](ContextParams &p) { p.cache_type_v = "F16"; }), "cache-type-v");
  const Error error = refusal_of([](ContextParams &p) {
    p.cache_type_v = "q8_0";
    p.flash_attn = FlashAttn::kOff;
  });
  names(error, "cache-type-v");
}

TEST_CASE("every cache type loads and gives nearly the same logits") {
  const std::vector<Token> tokens = some_tokens(20);
  const auto plain = load("demo");
  const std::vector<float> expected = run(*plain, 0, 0, tokens);
  for (const char *type : {"f32", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"}) {
    CAPTURE(type);
    LlamaParams params = small_params("demo");
    params.context.cache_type_k = type;
    params.context.cache_type_v = type;
    const auto models = load_models(params);
    CHECK(largest_difference(run(*models, 0, 0, tokens), expected) < 8.0F);
  }
}

TEST_CASE("loading does without a map, without a warm-up, with two thread pools") {
  LlamaParams params = small_params("demo");
  params.model.use_mmap = false;
  params.context.warmup = false;
  params.context.n_threads_batch = 2;
  const auto models = load_models(params);
  const std::vector<Token> tokens = some_tokens(20);
  const auto plain = load("demo");
  check_same(*models, run(*models, 0, 0, tokens), run(*plain, 0, 0, tokens));
  const std::vector<Token> one = some_tokens(1, 5);
  check_same(*models, run(*models, 0, 20, one), run(*plain, 0, 20, one));
}

TEST_CASE("the warm-up leaves the memory empty") {
  const auto models = load("demo");
  for (SeqId seq = 0; seq < 4; ++seq) {
    CHECK(models->kv->length(seq) == 0);
  }
}
