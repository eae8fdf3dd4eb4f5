#include "engine/encode_stage.h"

#include "fake_text_encoder.h"

#include <doctest/doctest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

struct Bench {
  explicit Bench(FakeTextParams params) : encoder(params), stage(&encoder, clock) {
    encoder.clock = &clock;
  }

  void add(RequestId id, const std::vector<std::string> &texts, EncodeJob job = {}) {
    job.id = id;
    for (const std::string &text : texts) {
      job.texts.push_back(encoder.tokens(TextPrompt{text}));
    }
    stage.add(std::move(job));
  }

  EncodePass run(bool beside_streams = false) {
    EncodePass pass = stage.run(beside_streams, loras);
    for (EncodePass::Ended &end : pass.ended) {
      if (end.result) {
        results[end.id] = std::move(*end.result);
      }
    }
    return pass;
  }

  void run_all() {
    while (!stage.empty()) {
      run();
    }
  }

  std::vector<float> row(RequestId id, std::size_t at) {
    const Result &result = results.at(id);
    const auto n = static_cast<std::size_t>(result.n_values);
    return {result.values.begin() + static_cast<std::ptrdiff_t>(at * n),
            result.values.begin() + static_cast<std::ptrdiff_t>((at + 1) * n)};
  }

  std::vector<float> expected(const std::string &text) {
    return FakeTextEncoder::row(encoder.tokens(TextPrompt{text}));
  }

  FakeClock clock;
  FakeTextEncoder encoder;
  EncodeStage stage;
  LoraSet loras;
  std::map<RequestId, Result> results;
};

} // namespace

TEST_CASE("packed texts give what they give alone, in the order they were sent") {
  for (const bool can_split : {false, true}) {
    FakeTextParams params;
    params.can_split = can_split;
    Bench bench(params);
    const std::string longer(50, 'z');
    bench.add(1, {"one", "three", longer, "x"});
    bench.add(2, {"other"});
    bench.run_all();
    CHECK(bench.row(1, 0) == bench.expected("one"));
    CHECK(bench.row(1, 1) == bench.expected("three"));
    CHECK(bench.row(1, 2) == bench.expected(longer));
    CHECK(bench.row(1, 3) == bench.expected("x"));
    CHECK(bench.row(2, 0) == bench.expected("other"));
    CHECK(bench.results.at(1).n_tokens == std::vector<std::int32_t>{3, 5, 50, 1});
    CHECK(bench.encoder.n_held() == 0);
  }
}

TEST_CASE("what counts of a text in pieces") {
  const std::string text = std::string(32, 'a') + std::string(16, 'b') + "c";
  FakeTextParams params;
  params.can_split = true;

  params.join = PieceJoin::kFirst;
  Bench first(params);
  first.add(1, {text});
  first.run_all();
  CHECK(first.row(1, 0) == first.expected(std::string(32, 'a')));

  params.join = PieceJoin::kMean;
  Bench mean(params);
  mean.add(1, {text});
  mean.run_all();
  // The fake's pieces say their first byte: 32 tokens said 'a', 17 said 'b'.
  CHECK(mean.row(1, 0)[0] == doctest::Approx((32 * 'a' + 17 * 'b') / 49.0));
  CHECK(mean.row(1, 0)[3] == doctest::Approx(3));

  params.join = PieceJoin::kAppend;
  Bench append(params);
  append.add(1, {"xy", text});
  append.run_all();
  CHECK(append.results.at(1).n_rows == std::vector<std::int32_t>{2, 49});
  for (std::size_t i = 0; i < text.size(); ++i) {
    CHECK(append.row(1, 2 + i) == append.expected(text.substr(0, i + 1)));
  }
}

TEST_CASE("vectors are cut and then brought to length 1") {
  Bench bench(FakeTextParams{});
  EncodeJob job;
  job.n_dims = 2;
  job.normalize = true;
  bench.add(1, {"abc", "abcdef"}, job);
  bench.run_all();
  for (std::size_t i = 0; i < 2; ++i) {
    const std::vector<float> row = bench.row(1, i);
    REQUIRE(row.size() == 2);
    CHECK(std::hypot(row[0], row[1]) == doctest::Approx(1));
  }
  CHECK(bench.row(1, 0)[0] / bench.row(1, 0)[1] == doctest::Approx(3.0 / 'c'));
}

TEST_CASE("a pass beside running streams is short, and the work is the same") {
  Bench bench(FakeTextParams{.n_batch = 512, .n_texts = 64, .n_ctx = 64});
  bench.add(1, std::vector<std::string>(300, "12345678"));
  CHECK(bench.run(true).n_tokens == 128); // the first size that is tried
  CHECK(bench.run(true).n_tokens == 48);  // 1 ms a token: 50 ms, in whole texts
  CHECK(bench.run(false).n_tokens == 256);
  bench.run_all();
  CHECK(bench.row(1, 299) == bench.expected("12345678"));
}

TEST_CASE("embeddings and scores take turns") {
  Bench bench(FakeTextParams{.n_batch = 8});
  EncodeJob scores;
  scores.kind = EncodeKind::kRerank;
  bench.add(1, std::vector<std::string>(4, "12345678"));
  bench.add(2, std::vector<std::string>(2, "abc"), scores);
  bench.run();
  bench.run();
  bench.run();
  CHECK(bench.results.contains(2));
  CHECK_FALSE(bench.results.contains(1));
  bench.run_all();
  CHECK(bench.results.at(2).n_values == 1);
}

TEST_CASE("a removed request gives nothing, and a text read in part is forgotten") {
  FakeTextParams params;
  params.can_split = true;
  Bench bench(params);
  bench.add(1, {std::string(60, 'q')});
  bench.add(2, {"stays"});
  bench.run();
  CHECK(bench.encoder.n_held() == 1);
  bench.stage.remove(1);
  bench.stage.remove(1);
  CHECK(bench.encoder.n_held() == 0);
  bench.run_all();
  CHECK_FALSE(bench.results.contains(1));
  CHECK(bench.row(2, 0) == bench.expected("stays"));
}

TEST_CASE("a failed pass ends its requests and no others") {
  Bench bench(FakeTextParams{});
  bench.add(1, {"a", "b"});
  bench.add(2, {std::string(32, 'c')});
  bench.encoder.n_failures = 1;
  const EncodePass pass = bench.run();
  REQUIRE(pass.ended.size() == 1);
  CHECK(pass.ended[0].id == 1);
  CHECK(pass.ended[0].error->code() == ErrorCode::kInternal);
  bench.run_all();
  CHECK(bench.row(2, 0) == bench.expected(std::string(32, 'c')));
}

TEST_CASE("passes are made with the adapters that count by default") {
  Bench bench(FakeTextParams{});
  bench.loras = {{0, 0.5F}};
  bench.add(1, {"a"});
  bench.run_all();
  CHECK(bench.row(1, 0)[3] == 0.5F);
  bench.add(2, {"a"});
  bench.run_all();
  CHECK(bench.encoder.n_switches == 1);
  bench.loras = {};
  bench.add(3, {"a"});
  bench.run_all();
  CHECK(bench.row(3, 0)[3] == 0.0F);
}

TEST_CASE("waiting tokens are bounded") {
  Bench bench(FakeTextParams{.n_ctx = 1 << 22});
  const std::string large(1 << 21, 'x');
  bench.add(1, {large, large});
  CHECK_THROWS_AS(bench.add(2, {"x"}), Error);
  bench.run_all();
  bench.add(3, {"x"});
  bench.run_all();
  CHECK(bench.results.contains(3));
}
