#include "tiny_model.h"

#include <algorithm>
#include <cmath>

using namespace llamabox;

namespace {

float mean_difference(std::span<const float> a, std::span<const float> b) {
  float sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += std::abs(a[i] - b[i]);
  }
  return sum / static_cast<float>(a.size());
}

} // namespace

TEST_CASE("kinds and sizes of the memory") {
  const auto traits_of = [](const std::string &name) { return load(name)->kv->traits(); };
  const KvTraits demo = traits_of("demo");
  CHECK(demo.kind == KvKind::kUnified);
  CHECK(demo.n_cells == 512);
  CHECK(demo.n_window == 0);
  CHECK(demo.n_window_cells == 0);
  CHECK(demo.can_share);
  CHECK(demo.can_copy_ranges);
  CHECK(demo.n_seqs == 63); // 4 slots, 60 more, and one that ranges pass through

  const KvTraits window = traits_of("gemma3");
  CHECK(window.kind == KvKind::kSlidingWindow);
  CHECK(window.n_cells == 512);
  CHECK(window.n_window == 32);
  CHECK(window.n_seqs == 8);
  CHECK(window.n_window_cells == 512); // 8 windows of 32 and a ubatch of 64, rounded up
  CHECK(window.can_share);

  const KvTraits mamba = traits_of("mamba");
  CHECK(mamba.kind == KvKind::kRecurrent);
  CHECK(mamba.n_cells == 4 * 512);
  CHECK_FALSE(mamba.can_share);
  CHECK(mamba.n_seqs == 4); // each has a state of its own

  const KvTraits hybrid = traits_of("hybrid");
  CHECK(hybrid.kind == KvKind::kHybrid);
  CHECK(hybrid.n_cells == 512);
  CHECK_FALSE(hybrid.can_share);

  LlamaParams split = small_params("demo");
  split.context.kv_unified = false;
  split.context.n_ctx = 1024;
  const KvTraits split_traits = load_models(split)->kv->traits();
  CHECK(split_traits.kind == KvKind::kSplit);
  CHECK(split_traits.n_cells == 1024);
  CHECK_FALSE(split_traits.can_share);
  CHECK(split_traits.n_seqs == 4);
}

TEST_CASE("a shared prefix and a cut one continue as a cold one") {
  for (const char *name : {"demo", "moe", "swa", "gemma3"}) {
    CAPTURE(name);
    const auto models = load(name);
    const std::vector<Token> first = some_tokens(60);
    std::vector<Token> second(first.begin(), first.begin() + 40);
    const std::vector<Token> tail = some_tokens(15, 500);
    second.insert(second.end(), tail.begin(), tail.end());
    run(*models, 0, 0, first);
    const std::vector<float> cold = run(*models, 3, 0, second);

    REQUIRE(models->kv->usable_prefix(0, 40) == 40);
    models->kv->share(0, 1, 40);
    CHECK(models->kv->length(1) == 40);
    CHECK(models->kv->length(0) == 60);
    check_same(*models, run(*models, 1, 40, tail), cold);

    models->kv->trim(0, 40);
    CHECK(models->kv->length(0) == 40);
    check_same(*models, run(*models, 0, 40, tail), cold);
  }
}

TEST_CASE("a shared prefix costs no cells") {
  const auto models = load("demo");
  const std::vector<Token> tokens = some_tokens(250);
  run(*models, 0, 0, tokens);
  for (SeqId seq = 1; seq < 4; ++seq) {
    models->kv->share(0, seq, 250);
    run(*models, seq, 250, some_tokens(80, seq)); // 490 cells after the last
  }
  models->kv->trim(0, 0);
  CHECK(models->kv->length(0) == 0);
  CHECK(models->kv->length(3) == 330);
}

TEST_CASE("the sequences of split memory are cut, each for itself") {
  LlamaParams params = small_params("demo");
  params.context.kv_unified = false;
  params.context.n_ctx = 1024;
  const auto models = load_models(params);
  const std::vector<Token> tokens = some_tokens(50);
  const std::span<const Token> all = tokens;
  const std::vector<float> cold = run(*models, 0, 0, all);
  run(*models, 1, 0, all);
  REQUIRE(models->kv->usable_prefix(1, 30) == 30);
  models->kv->trim(1, 30);
  CHECK(models->kv->length(0) == 50);
  check_same(*models, run(*models, 1, 30, all.last(20)), cold);
  CHECK_THROWS_AS(models->kv->share(0, 2, 30), Error);
}

TEST_CASE("a recurrent state is all or nothing") {
  for (const char *name : {"mamba", "hybrid"}) {
    CAPTURE(name);
    const auto models = load(name);
    const std::vector<Token> tokens = some_tokens(30);
    const std::vector<float> cold = run(*models, 0, 0, tokens);
    CHECK(models->kv->usable_prefix(0, 29) == 0);
    CHECK(models->kv->usable_prefix(0, 30) == 30);
    CHECK(models->kv->usable_prefix(0, 31) == 30);
    CHECK_THROWS_AS(models->kv->trim(0, 29), Error);
    CHECK(models->kv->length(0) == 30);
    models->kv->trim(0, 30);
    CHECK(models->kv->length(0) == 30);
    CHECK_THROWS_AS(models->kv->share(0, 1, 30), Error);

    models->kv->trim(0, 0);
    CHECK(models->kv->length(0) == 0);
    CHECK(models->kv->usable_prefix(0, 10) == 0);
    check_same(*models, run(*models, 0, 0, tokens), cold);
  }
}

TEST_CASE("a sliding window goes back only as far as it remembers") {
  LlamaParams params = small_params("gemma3");
  params.context.n_slots = 2; // and as many ids more
  const auto models = load_models(params);
  KvMemory &kv = *models->kv;
  const std::vector<Token> tokens = some_tokens(400);
  const std::span<const Token> all = tokens;
  run(*models, 0, 0, all.first(60));
  CHECK(kv.usable_prefix(0, 20) == 20); // nothing was dropped so far

  run(*models, 0, 60, all.subspan(60, 240));
  run(*models, 0, 300, all.last(100));
  // The pool of 256 cells cannot hold 400 positions, so early ones are gone for good.
  CHECK(kv.usable_prefix(0, 20) == 0);
  CHECK(kv.usable_prefix(0, 100) == 0);
  CHECK(kv.usable_prefix(0, 400) == 400);
  REQUIRE(kv.usable_prefix(0, 390) == 390);
  kv.trim(0, 390);
  const std::vector<Token> tail = some_tokens(5, 123);
  const std::vector<float> warm = run(*models, 0, 390, tail);
  kv.trim(0, 0);
  run(*models, 0, 0, all.first(200));
  run(*models, 0, 200, all.subspan(200, 190));
  check_same(*models, run(*models, 0, 390, tail), warm);
}

TEST_CASE("a full window pool forgets nothing") {
  LlamaParams params = small_params("gemma3");
  params.context.swa_full = true;
  const auto models = load_models(params);
  CHECK(models->kv->traits().n_window_cells == 512);
  const std::vector<Token> tokens = some_tokens(400);
  const std::span<const Token> all = tokens;
  run(*models, 0, 0, all.first(200));
  run(*models, 0, 200, all.last(200));
  CHECK(models->kv->usable_prefix(0, 20) == 20);
}

TEST_CASE("sequences that do not exist, and shares that cannot be, are refused") {
  const auto models = load("demo");
  CHECK_THROWS_AS(models->kv->length(-1), Error);
  const SeqId n_seqs = models->kv->traits().n_seqs;
  CHECK_THROWS_AS(models->kv->length(n_seqs), Error);
  CHECK_THROWS_AS(models->kv->trim(n_seqs, 0), Error);
  run(*models, 0, 0, some_tokens(5));
  run(*models, 1, 0, some_tokens(5));
  CHECK_THROWS_AS(models->kv->share(0, 1, 5), Error); // the target holds something
  CHECK_THROWS_AS(models->kv->share(0, n_seqs, 5), Error);
  CHECK(models->kv->usable_prefix(0, 0) == 0);
  CHECK(models->kv->usable_prefix(2, 5) == 0);
}

TEST_CASE("who can lose tokens in the middle") {
  const auto can_shift = [](const std::string &name) { return load(name)->kv->traits().can_shift; };
  CHECK(can_shift("demo"));
  CHECK(can_shift("moe"));
  LlamaParams window = small_params("gemma3");
  window.context.n_slots = 2;
  CHECK_FALSE(load_models(window)->kv->traits().can_shift); // its pools differ in size
  CHECK_FALSE(can_shift("mamba"));
  CHECK_FALSE(can_shift("hybrid"));
  CHECK_THROWS_AS(load("mamba")->kv->drop(0, 1, 2), Error);
}

TEST_CASE("tokens after dropped ones take their positions") {
  for (const bool unified : {true, false}) {
    LlamaParams params = small_params("demo");
    params.context.kv_unified = unified;
    params.context.n_ctx = unified ? 512 : 2048;
    const auto models = load_models(params);
    const std::vector<Token> tokens = some_tokens(60);
    const std::span<const Token> all = tokens;
    const std::vector<float> neighbour = run(*models, 1, 0, all);
    models->kv->trim(1, 59);
    run(*models, 0, 0, all);
    models->kv->drop(0, 10, 40);
    CHECK(models->kv->length(0) == 30);
    CHECK(models->kv->length(1) == 59);
    const std::vector<float> shifted = run(*models, 0, 30, some_tokens(3, 700));
    CHECK(models->kv->length(0) == 33);
    check_same(*models, run(*models, 1, 59, all.last(1)), neighbour);
    // Much nearer to the remaining text than to one whose tokens stand elsewhere.
    std::vector<Token> rest(tokens.begin(), tokens.begin() + 10);
    rest.insert(rest.end(), tokens.begin() + 40, tokens.end());
    const auto cold_of = [&](SeqId seq, std::span<const Token> text) {
      run(*models, seq, 0, text);
      return run(*models, seq, static_cast<Pos>(text.size()), some_tokens(3, 700));
    };
    const std::vector<float> cold = cold_of(2, rest);
    std::ranges::reverse(rest);
    const std::vector<float> wrong = cold_of(3, rest);
    CHECK(mean_difference(shifted, cold) < 0.5F * mean_difference(shifted, wrong));
  }
}

TEST_CASE("a saved state continues as the one it was taken from, on every kind of memory") {
  for (const char *name : {"demo", "moe", "swa", "gemma3", "mamba", "hybrid"}) {
    CAPTURE(name);
    const auto models = load(name);
    const std::vector<Token> tokens = some_tokens(90);
    run(*models, 0, 0, tokens);
    const std::vector<std::uint8_t> state = models->kv->save(0);
    const std::vector<float> undisturbed = run(*models, 0, 90, some_tokens(4, 300));

    CHECK(models->kv->restore(2, state));
    CHECK(models->kv->length(2) == 90);
    CHECK(run(*models, 2, 90, some_tokens(4, 300)) == undisturbed);

    const auto other = load(name);
    run(*other, 1, 0, some_tokens(20)); // its cells come to stand elsewhere
    CHECK(other->kv->restore(0, state));
    check_same(*models, run(*other, 0, 90, some_tokens(4, 300)), undisturbed);
  }
}

TEST_CASE("a state that does not fit is refused, and the sequence is empty") {
  const auto models = load("demo");
  run(*models, 0, 0, some_tokens(200));
  run(*models, 1, 0, some_tokens(200, 7));
  const std::vector<std::uint8_t> state = models->kv->save(0);
  CHECK_FALSE(models->kv->restore(2, state)); // 600 of 512 cells
  CHECK(models->kv->length(2) == 0);
  models->kv->trim(1, 0);
  CHECK(models->kv->restore(2, state));
  CHECK(models->kv->length(2) == 200);

  LlamaParams split = small_params("demo");
  split.context.kv_unified = false;
  split.context.n_ctx = 1024;
  const auto other = load_models(split);
  CHECK_FALSE(other->kv->restore(0, state)); // another layout
  CHECK(other->kv->length(0) == 0);
}

TEST_CASE("ranges that were saved continue as the sequence they are from") {
  for (const char *name : {"demo", "moe"}) {
    CAPTURE(name);
    const auto models = load(name);
    KvMemory &kv = *models->kv;
    REQUIRE(kv.traits().can_copy_ranges);
    const std::vector<Token> tokens = some_tokens(90);
    run(*models, 0, 0, tokens);
    const auto first = kv.save_range(0, 0, 50);
    const auto second = kv.save_range(0, 50, 90);
    CHECK(kv.length(0) == 90);
    const std::vector<float> undisturbed = run(*models, 0, 90, some_tokens(4, 300));
    kv.trim(0, 0);
    run(*models, 3, 0, some_tokens(20)); // other cells come to be free
    REQUIRE(kv.restore_range(1, first));
    CHECK(kv.length(1) == 50);
    REQUIRE(kv.restore_range(1, second));
    CHECK(kv.length(1) == 90);
    check_same(*models, run(*models, 1, 90, some_tokens(4, 300)), undisturbed);
    kv.share(1, 2, 70); // restored cells are shared like any
    CHECK(kv.length(2) == 70);
  }
}

TEST_CASE("a range that does not fit changes nothing") {
  const auto models = load("demo");
  KvMemory &kv = *models->kv;
  run(*models, 0, 0, some_tokens(200));
  run(*models, 1, 0, some_tokens(200, 7));
  const auto range = kv.save_range(0, 0, 150);
  CHECK_FALSE(kv.restore_range(2, range)); // 550 of 512 cells
  CHECK(kv.length(2) == 0);
  CHECK(kv.length(0) == 200);
  kv.trim(1, 0);
  CHECK(kv.restore_range(2, range));
  CHECK(kv.length(2) == 150);
}

TEST_CASE("many sequences share more than four windows and run past their own") {
  LlamaParams params = small_params("gemma3");
  params.context.n_ctx = 2048;
  const auto models = load_models(params);
  KvMemory &kv = *models->kv;
  const SeqId n_seqs = kv.traits().n_seqs;
  CHECK(n_seqs == 8);
  CHECK(kv.traits().n_window_cells == 512); // less than the prefix: shared, it would fill the pool
  const std::vector<Token> prefix = some_tokens(600);
  const auto run_prefix = [&](SeqId seq) {
    for (Pos at = 0; at < 600; at += 200) {
      run(*models, seq, at, std::span(prefix).subspan(static_cast<std::size_t>(at), 200));
    }
  };
  run_prefix(0);
  for (SeqId seq = 1; seq < n_seqs; ++seq) {
    REQUIRE(kv.usable_prefix(0, 600) == 600);
    kv.share(0, seq, 600);
  }
  const auto token_of = [](Pos pos, SeqId seq) { return some_tokens(1, pos * 37 + seq); };
  std::vector<float> last;
  for (Pos pos = 600; pos < 680; ++pos) {
    Batch batch;
    for (SeqId seq = 0; seq < n_seqs; ++seq) {
      append_rows(batch, seq, pos, token_of(pos, seq));
    }
    batch[1].logits = true;
    REQUIRE(models->runner->decode(batch) == DecodeStatus::kOk);
    last = copy_logits(*models->runner, 1);
  }
  kv.trim(1, 0);
  run_prefix(1);
  std::vector<float> alone;
  for (Pos pos = 600; pos < 680; ++pos) {
    alone = run(*models, 1, pos, token_of(pos, 1));
  }
  check_same(*models, last, alone);
}
