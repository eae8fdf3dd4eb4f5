// The fast ways to the best logits against sorting a changed copy.
#include "model/best_logits.h"
#include "model/edited_logits.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <vector>

using namespace llamabox;

namespace {

constexpr float kBan = -std::numeric_limits<float>::infinity();

// Few values, so that many are equal.
std::vector<float> random_row(std::mt19937 &random, std::size_t n) {
  std::uniform_int_distribution<int> value(-40, 40);
  std::vector<float> row(n);
  for (float &logit : row) {
    logit = static_cast<float>(value(random)) / 8;
  }
  return row;
}

TokenMask random_mask(std::mt19937 &random, std::size_t n, double share) {
  TokenMask mask(n);
  std::bernoulli_distribution is_in(share);
  for (std::size_t i = 0; i < n; ++i) {
    if (is_in(random)) {
      mask.set(static_cast<Token>(i));
    }
  }
  return mask;
}

std::vector<ScoredToken> random_edits(std::mt19937 &random, std::size_t n, std::size_t n_edits) {
  std::uniform_int_distribution<Token> token(0, static_cast<Token>(n) - 1);
  std::uniform_int_distribution<int> value(-8, 8);
  std::map<Token, float> edits;
  for (std::size_t i = 0; i < n_edits; ++i) {
    const int drawn = value(random);
    edits[token(random)] = drawn == 0 ? kBan : static_cast<float>(drawn);
  }
  std::vector<ScoredToken> out;
  for (const auto &[id, logit] : edits) {
    out.push_back({id, logit});
  }
  return out;
}

// What a changed copy of the row has, best first.
std::vector<ScoredToken> sorted(const std::vector<float> &row,
                                const std::vector<ScoredToken> &edits, const TokenMask *mask) {
  std::vector<float> copy = row;
  for (const ScoredToken &edit : edits) {
    copy[static_cast<std::size_t>(edit.token)] = edit.logit;
  }
  std::vector<ScoredToken> out;
  for (std::size_t i = 0; i < copy.size(); ++i) {
    const auto token = static_cast<Token>(i);
    if (copy[i] > kBan && (mask == nullptr || mask->test(token))) {
      out.push_back({token, copy[i]});
    }
  }
  std::ranges::stable_sort(
      out, [](const ScoredToken &a, const ScoredToken &b) { return a.logit > b.logit; });
  return out;
}

bool same(const std::vector<ScoredToken> &a, const std::vector<ScoredToken> &b) {
  return std::ranges::equal(a, b, [](const ScoredToken &x, const ScoredToken &y) {
    return x.token == y.token && x.logit == y.logit;
  });
}

void check_row(const std::vector<float> &row, const std::vector<ScoredToken> &edits,
               const TokenMask *mask) {
  EditedLogits edited;
  edited.set(row, edits);
  std::vector<ScoredToken> expected = sorted(row, edits, mask);
  CHECK(edited.best(mask) == (expected.empty() ? kNoToken : expected.front().token));
  std::vector<ScoredToken> found;
  for (const std::size_t k : {std::size_t{1}, std::size_t{7}, std::size_t{40}, row.size()}) {
    CAPTURE(k);
    edited.best(k, mask, found);
    std::vector<ScoredToken> best = expected;
    best.resize(std::min(k, best.size()));
    CHECK(same(found, best));
  }
  edited.all(mask, found);
  std::ranges::sort(expected, {}, &ScoredToken::token);
  CHECK(same(found, expected));
}

} // namespace

TEST_CASE("the best of a row are those of a sorted copy, whatever is changed, masked or equal") {
  std::mt19937 random(7);
  for (const std::size_t n : {1, 3, 63, 64, 65, 200, 1056, 5000}) {
    const std::vector<float> row = random_row(random, n);
    for (const std::size_t n_edits : {0, 1, 20, 400}) {
      CAPTURE(n);
      CAPTURE(n_edits);
      const std::vector<ScoredToken> edits = random_edits(random, n, n_edits);
      check_row(row, edits, nullptr);
      for (const double share : {0.0, 0.01, 0.5, 1.0}) {
        const TokenMask mask = random_mask(random, n, share);
        check_row(row, edits, &mask);
      }
    }
  }
}

TEST_CASE("the largest logit wins wherever it stands, the first of equal ones") {
  for (const std::size_t at : {0, 15, 16, 1023, 1024, 2047, 2500}) {
    std::vector<float> row(2501, -3.0F);
    row[at] = -2.0F;
    CHECK(argmax(row) == static_cast<Token>(at));
    row.back() = -2.0F;
    CHECK(argmax(row) == static_cast<Token>(at));
  }
  CHECK(argmax({}) == 0);
  CHECK(argmax(std::vector<float>(100, kBan)) == 0);
}

TEST_CASE("what is no number never wins") {
  std::vector<float> row(300, std::numeric_limits<float>::quiet_NaN());
  row[200] = -5.0F;
  row[201] = -6.0F;
  CHECK(argmax(row) == 200);
  EditedLogits edited;
  edited.set(row, {});
  std::vector<ScoredToken> found;
  edited.best(40, nullptr, found);
  CHECK(same(found, {{200, -5.0F}, {201, -6.0F}}));
  edited.all(nullptr, found);
  CHECK(same(found, {{200, -5.0F}, {201, -6.0F}}));
}

TEST_CASE("a mask knows its tokens and their number") {
  TokenMask mask(130);
  for (const Token token : {0, 63, 64, 129}) {
    mask.set(token);
  }
  CHECK(mask.count() == 4);
  CHECK(mask.test(129));
  CHECK(!mask.test(128));
  CHECK(mask.words().size() == 3);
}
