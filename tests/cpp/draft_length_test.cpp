#include "spec/acceptance.h"
#include "spec/draft_length.h"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

using namespace llamabox;

namespace {

using Cost = std::function<double(std::int32_t)>;

StepCost learnt(const Cost &cost, std::int32_t n_most = 128) {
  StepCost learnt;
  for (std::int32_t n = 1; n <= n_most; ++n) {
    learnt.observe({n, 0, 0}, cost(n));
  }
  return learnt;
}

const Cost kBandwidth = [](std::int32_t) { return 10.0; };         // rows cost nothing
const Cost kCompute = [](std::int32_t n) { return 10.0 * n; };     // rows cost all
const Cost kMixed = [](std::int32_t n) { return 10.0 + 0.5 * n; }; // a step and a little for each

LengthCandidate candidate(double first, double later, bool runs_drafter = false) {
  LengthCandidate one;
  one.first = first;
  one.later = later;
  one.n_max = 16;
  one.runs_drafter = runs_drafter;
  return one;
}

std::vector<std::int32_t> chosen(const std::vector<LengthCandidate> &candidates,
                                 const StepCost &target, const StepCost &drafter = {},
                                 std::int32_t n_room = 1000) {
  const auto n = static_cast<std::int32_t>(candidates.size());
  return choose_lengths(candidates, {n, n_room}, {target, drafter});
}

// Tokens per millisecond when the candidates have these lengths.
double rate_of(const std::vector<LengthCandidate> &candidates,
               const std::vector<std::int32_t> &lengths, const Cost &cost) {
  double n_tokens = 0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    double chance = candidates[i].first;
    n_tokens += 1;
    for (std::int32_t k = 0; k < lengths[i]; ++k) {
      n_tokens += chance;
      chance *= candidates[i].later;
    }
  }
  const auto n = static_cast<std::int32_t>(candidates.size());
  return n_tokens / cost(n + std::accumulate(lengths.begin(), lengths.end(), 0));
}

} // namespace

TEST_CASE("rows that cost nothing are used as far as anything is likely") {
  CHECK(chosen({candidate(0.9, 0.9)}, learnt(kBandwidth)).front() == 16);
  CHECK(chosen({candidate(0.001, 0.9)}, learnt(kBandwidth)).front() == 0);
}

TEST_CASE("rows that cost as much as a step are not used, however likely") {
  CHECK(chosen({candidate(0.95, 0.95)}, learnt(kCompute)).front() == 0);
}

TEST_CASE("nothing is drafted before a plain step was measured") {
  CHECK(chosen({candidate(1, 1)}, StepCost()).front() == 0);
}

TEST_CASE("the choice is as good as the best common length and never worse than none") {
  for (const Cost &cost : {kBandwidth, kCompute, kMixed}) {
    for (const double first : {0.1, 0.3, 0.6, 0.9}) {
      for (const std::size_t n : {1U, 4U, 16U, 64U}) {
        const std::vector<LengthCandidate> all(n, candidate(first, 0.8));
        const std::vector<std::int32_t> lengths = chosen(all, learnt(cost, 1200), {}, 1100);
        const double rate = rate_of(all, lengths, cost);
        for (std::int32_t k = 0; k <= 16; ++k) {
          CHECK(rate > 0.95 * rate_of(all, std::vector<std::int32_t>(n, k), cost));
        }
        CHECK(rate >= rate_of(all, std::vector<std::int32_t>(n, 0), cost));
      }
    }
  }
}

TEST_CASE("lengths fall to 0 as sequences fill the machine") {
  // Memory is the limit up to 16 rows, arithmetic beyond.
  const Cost cost = [](std::int32_t n) { return n <= 16 ? 10.0 : 10.0 * n / 16; };
  const StepCost target = learnt(cost, 300);
  std::int32_t last = 100;
  for (const std::size_t n : {1U, 2U, 4U, 8U, 16U, 32U}) {
    const auto lengths = chosen(std::vector<LengthCandidate>(n, candidate(0.7, 0.7)), target);
    CHECK(lengths.front() <= last);
    last = lengths.front();
  }
  CHECK(last == 0);
}

TEST_CASE("a sequence that is often right gets more than one that is not") {
  const auto lengths = chosen({candidate(0.95, 0.95), candidate(0.2, 0.5)}, learnt(kMixed));
  CHECK(lengths[0] >= 8);
  CHECK(lengths[1] <= 2);
}

TEST_CASE("the drafter's runs count, and many sequences share them") {
  const StepCost dear = learnt([](std::int32_t) { return 9.0; });
  const StepCost cheap = learnt([](std::int32_t) { return 1.0; });
  const LengthCandidate one = candidate(0.8, 0.8, true);
  CHECK(chosen({one}, learnt(kBandwidth), dear).front() == 0);
  CHECK(chosen({one}, learnt(kBandwidth), cheap).front() >= 3);
  CHECK(chosen(std::vector<LengthCandidate>(8, one), learnt(kBandwidth), cheap).front() >= 3);
}

TEST_CASE("a drafter that seldom dares costs its first run, not the rows it does not fill") {
  const StepCost drafter = learnt([](std::int32_t) { return 0.5; });
  LengthCandidate one = candidate(0.3, 0.3, true);
  CHECK(chosen({one}, learnt(kCompute), drafter).front() == 0);
  one.offered = 0.3; // and is right then
  CHECK(chosen({one}, learnt([](std::int32_t n) { return 6 + 4.0 * n; }), drafter).front() >= 1);
  one.offered = 1;
  CHECK(chosen({one}, learnt([](std::int32_t n) { return 6 + 4.0 * n; }), drafter).front() == 0);
}

TEST_CASE("what a drafter must read first counts") {
  const StepCost drafter = learnt([](std::int32_t) { return 1.0; });
  LengthCandidate one = candidate(0.8, 0.8, true);
  CHECK(chosen({one}, learnt(kBandwidth), drafter).front() > 0);
  one.extra_ms = 40;
  CHECK(chosen({one}, learnt(kBandwidth), drafter).front() == 0);
}

TEST_CASE("the room is never exceeded and short drafts are none") {
  std::vector<LengthCandidate> all(5, candidate(0.9, 0.9));
  for (LengthCandidate &one : all) {
    one.n_min = 4;
  }
  for (const auto &lengths : {chosen(all, learnt(kBandwidth), {}, 18),
                              longest_lengths(all, {.n_decodes = 5, .n_room = 18})}) {
    CHECK(std::accumulate(lengths.begin(), lengths.end(), 0) <= 18);
    for (const std::int32_t n : lengths) {
      CHECK((n == 0 || n >= 4));
    }
  }
}

TEST_CASE("rates are learnt from what came true") {
  Acceptance acceptance(2, 0.1);
  for (int i = 0; i < 100; ++i) {
    acceptance.observe(GuessSource::kNgram4, 3, true);
    acceptance.observe(GuessSource::kNgram1, 0, true);
  }
  CHECK(acceptance.of(GuessSource::kNgram4).first > 0.95);
  CHECK(acceptance.of(GuessSource::kNgram4).later == doctest::Approx(0.67).epsilon(0.1));
  CHECK(acceptance.of(GuessSource::kNgram1).first < 0.05);
  CHECK(acceptance.of(GuessSource::kModel).first > 0.5);
  CHECK(acceptance.of(GuessSource::kShared).first < 0.2);
  Acceptance next(4, 0.1);
  next.begin_with(acceptance);
  CHECK(next.of(GuessSource::kNgram4).first > 0.95);
  next.observe(GuessSource::kNgram4, 0, true);
  CHECK(next.of(GuessSource::kNgram4).first == doctest::Approx(0.8).epsilon(0.02));
}

TEST_CASE("how often a source dares to guess is learnt apart") {
  Acceptance acceptance(2, 0.1);
  CHECK(acceptance.of(GuessSource::kModel).offered == 1);
  for (int i = 0; i < 100; ++i) {
    acceptance.observe_offer(GuessSource::kModel, 1, true);
  }
  CHECK(acceptance.of(GuessSource::kModel).offered == doctest::Approx(0.5).epsilon(0.15));
  Acceptance next(4, 0.1);
  next.begin_with(acceptance);
  CHECK(next.of(GuessSource::kModel).offered < 0.6);
}
