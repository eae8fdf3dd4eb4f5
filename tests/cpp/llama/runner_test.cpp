#include "tiny_model.h"

using namespace llamabox;

namespace {

const std::vector<std::string> kModels = {"demo", "moe", "swa", "gemma3", "mamba", "hybrid"};

} // namespace

TEST_CASE("rows of several sequences give what each gives alone") {
  for (const std::string &name : kModels) {
    CAPTURE(name);
    const auto models = load(name);
    const std::vector<Token> first = some_tokens(24);
    const std::vector<Token> second = some_tokens(17, 301);
    const std::vector<float> first_alone = run(*models, 0, 0, first);
    const std::vector<float> second_alone = run(*models, 1, 0, second);

    Batch batch = rows(3, 0, second);
    append_rows(batch, 2, 0, first);
    batch.back().logits = true;
    REQUIRE(models->runner->decode(batch) == DecodeStatus::kOk);
    check_same(*models, copy_logits(*models->runner, 16), second_alone);
    check_same(*models, copy_logits(*models->runner, 40), first_alone);
    CHECK(models->kv->length(2) == 24);
    CHECK(models->kv->length(3) == 17);
  }
}

TEST_CASE("a prompt in chunks, and token by token, is the prompt in one piece") {
  for (const std::string &name : kModels) {
    CAPTURE(name);
    const auto models = load(name);
    const std::vector<Token> tokens = some_tokens(150);
    const std::span<const Token> all = tokens;
    const std::vector<float> whole = run(*models, 0, 0, all);
    run(*models, 1, 0, all.first(70));
    run(*models, 1, 70, all.subspan(70, 79));
    check_same(*models, run(*models, 1, 149, all.last(1)), whole);
  }
}

TEST_CASE("a step in the middle of a prompt needs no logits") {
  const auto models = load("demo");
  const std::vector<Token> tokens = some_tokens(30);
  const std::span<const Token> all = tokens;
  Batch batch;
  append_rows(batch, 0, 0, all.first(20));
  REQUIRE(models->runner->decode(batch) == DecodeStatus::kOk);
  CHECK_THROWS_AS(models->runner->logits(19), Error);
  const std::vector<float> last = run(*models, 0, 20, all.last(10));
  check_same(*models, last, run(*models, 1, 0, all));
}

TEST_CASE("logits are asked for by batch row") {
  const auto models = load("demo");
  const std::vector<Token> tokens = some_tokens(8);
  const std::span<const Token> all = tokens;
  Batch batch;
  append_rows(batch, 0, 0, all);
  batch[2].logits = true;
  batch[5].logits = true;
  REQUIRE(models->runner->decode(batch) == DecodeStatus::kOk);
  const std::vector<float> third = copy_logits(*models->runner, 2);
  const std::vector<float> sixth = copy_logits(*models->runner, 5);
  CHECK_THROWS_AS(models->runner->logits(3), Error);
  CHECK_THROWS_AS(models->runner->logits(8), Error);
  CHECK_THROWS_AS(models->runner->logits(-1), Error);
  check_same(*models, third, run(*models, 1, 0, all.first(3)));
  check_same(*models, sixth, run(*models, 2, 0, all.first(6)));
}

TEST_CASE("an embedding row does what its token does") {
  // The demo model's token embeddings are not reachable from here, so two rows with the same
  // embedding must agree, and another embedding must not.
  const auto models = load("demo");
  const auto n_embd = static_cast<std::size_t>(models->runner->limits().n_embd);
  const std::vector<float> one(n_embd, 0.25F);
  std::vector<float> other(n_embd, 0.25F);
  std::fill_n(other.begin(), n_embd / 2, -0.5F);
  const auto logits_of = [&](SeqId seq, const std::vector<float> &embd) {
    Batch batch = rows(seq, 0, some_tokens(3));
    batch.back().logits = false;
    batch.push_back({.embd = embd.data(), .pos = {3, 3, 3, 3}, .seq = seq, .logits = true});
    REQUIRE(models->runner->decode(batch) == DecodeStatus::kOk);
    return copy_logits(*models->runner, 3);
  };
  const std::vector<float> first = logits_of(0, one);
  check_same(*models, first, logits_of(1, one));
  CHECK(largest_difference(first, logits_of(2, other)) > 0.1F);
}

TEST_CASE("without cells nothing changes, and the rows run once there is room") {
  for (const char *name : {"demo", "gemma3", "hybrid"}) {
    CAPTURE(name);
    const auto models = load(name);
    const std::vector<Token> tokens = some_tokens(250);
    run(*models, 0, 0, tokens);
    run(*models, 1, 0, tokens);
    const std::vector<Token> more = some_tokens(20, 77);
    CHECK(models->runner->decode(rows(2, 0, more)) == DecodeStatus::kNoCells);
    CHECK(models->runner->decode(rows(1, 250, more)) == DecodeStatus::kNoCells);
    CHECK(models->kv->length(0) == 250);
    CHECK(models->kv->length(1) == 250);
    CHECK(models->kv->length(2) == 0);

    models->kv->trim(0, 0);
    const std::vector<float> after = run(*models, 2, 0, more);
    models->kv->trim(1, 0);
    check_same(*models, after, run(*models, 3, 0, more));
  }
}

TEST_CASE("what upstream would abort for is a failed step, and the runner goes on") {
  const auto models = load("demo");
  const std::vector<Token> tokens = some_tokens(10);
  const std::vector<float> expected = run(*models, 0, 0, tokens);
  const auto status_of = [&](auto change) {
    Batch batch = rows(1, 0, tokens);
    change(batch);
    return models->runner->decode(batch);
  };
  CHECK(status_of([](Batch &b) { b.clear(); }) == DecodeStatus::kFailed);
  CHECK(status_of([](Batch &b) { b.resize(257, b[0]); }) == DecodeStatus::kFailed);
  CHECK(status_of([](Batch &b) { b[0].seq = -1; }) == DecodeStatus::kFailed);
  CHECK(status_of([](Batch &b) { b[0].seq = 1000; }) == DecodeStatus::kFailed);
  CHECK(status_of([](Batch &b) { b[3].token = 1 << 20; }) == DecodeStatus::kFailed);
  CHECK(status_of([](Batch &b) { b[3].token = kNoToken; }) == DecodeStatus::kFailed);
  CHECK(status_of([](Batch &b) { b[3].pos[0] = -5; }) == DecodeStatus::kFailed);
  CHECK(status_of([](Batch &b) { b.back().pos[0] = 50; }) == DecodeStatus::kFailed);
  const std::vector<Token> many = some_tokens(200);
  CHECK(status_of([&](Batch &b) {
          b = rows(1, 0, many);
          for (Row &row : b) {
            row.logits = true; // more than there are sequence ids
          }
        }) == DecodeStatus::kFailed);
  CHECK(models->kv->length(1) == 0);
  check_same(*models, run(*models, 2, 0, tokens), expected);
}

TEST_CASE("drafts widen the number of rows with logits") {
  LlamaParams params = small_params("demo");
  params.context.n_draft_max = 3;
  const auto models = load_models(params);
  Batch batch;
  for (SeqId seq = 0; seq < 4; ++seq) {
    append_rows(batch, seq, 0, some_tokens(4, seq));
  }
  for (Row &row : batch) {
    row.logits = true;
  }
  REQUIRE(models->runner->decode(batch) == DecodeStatus::kOk);
  const std::vector<float> last = copy_logits(*models->runner, 15);
  models->kv->trim(3, 0);
  check_same(*models, last, run(*models, 3, 0, some_tokens(4, 3)));
}
