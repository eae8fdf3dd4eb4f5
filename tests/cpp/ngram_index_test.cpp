#include "spec/ngram_index.h"
#include "spec/shared_ngrams.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

using namespace llamabox;

namespace {

std::vector<Token> tokens_of(const std::string &text) { return {text.begin(), text.end()}; }

std::string guess(const std::string &text, std::int32_t n_min, std::int32_t n_max = 8) {
  NgramIndex index;
  const std::vector<Token> tokens = tokens_of(text);
  REQUIRE(index.extend(tokens, 1000));
  const NgramIndex::Match match = index.find(tokens, n_min);
  if (match.n == 0) {
    return "-";
  }
  const std::vector<Token> found = continuation(tokens, match.next, n_max);
  return std::to_string(match.n) + ":" + std::string(found.begin(), found.end());
}

// What the index must find, by looking at every place.
NgramIndex::Match slow_find(const std::vector<Token> &tokens, std::int32_t n_min) {
  const auto size = static_cast<std::int32_t>(tokens.size());
  for (std::int32_t n = std::min(kMaxNgram, size - 1); n >= n_min; --n) {
    for (std::int32_t next = size - 1; next >= n; --next) {
      if (std::equal(tokens.end() - n, tokens.end(), tokens.begin() + next - n)) {
        return {n, next};
      }
    }
  }
  return {};
}

} // namespace

TEST_CASE("what followed the last tokens before is found, the longest and latest first") {
  CHECK(guess("the cat sat. the c", 1, 6) == "4:at sat");
  CHECK(guess("axbc ayb ", 1, 1) == "1:a");
  CHECK(guess("1ab2ab3ab", 1, 3) == "2:3ab");
  CHECK(guess("abcd", 1) == "-");
  CHECK(guess("a", 1) == "-");
  CHECK(guess("xa ya", 2) == "-");
  CHECK(guess("xa ya", 1, 2) == "1: y");
}

TEST_CASE("a continuation goes on with itself") {
  CHECK(guess("ababab", 1, 7) == "4:abababa");
  CHECK(guess("zz", 1, 3) == "1:zzz");
}

TEST_CASE("a continuation ends before a media row") {
  std::vector<Token> tokens = tokens_of("ab");
  tokens.push_back(kNoToken);
  tokens.push_back('a');
  NgramIndex index;
  REQUIRE(index.extend(tokens, 100));
  const NgramIndex::Match match = index.find(tokens, 1);
  CHECK(continuation(tokens, match.next, 5) == tokens_of("b"));
}

TEST_CASE("indexing in pieces finds what indexing at once finds") {
  std::minstd_rand random(7);
  std::vector<Token> tokens;
  NgramIndex index;
  for (int i = 0; i < 3000; ++i) {
    tokens.push_back(static_cast<Token>(random() % 5));
    if (random() % 3 == 0) {
      continue;
    }
    while (!index.extend(tokens, 2)) {
    }
    for (const std::int32_t n_min : {1, 3}) {
      const NgramIndex::Match expected = slow_find(tokens, n_min);
      const NgramIndex::Match found = index.find(tokens, n_min);
      REQUIRE(found.n == expected.n);
      REQUIRE(found.next == expected.next);
    }
  }
}

TEST_CASE("a cleared index begins anew") {
  NgramIndex index;
  REQUIRE(index.extend(tokens_of("abcabc"), 100));
  index.clear();
  const std::vector<Token> other = tokens_of("xyxy");
  REQUIRE(index.extend(other, 100));
  CHECK(index.find(other, 1).n == 2);
  CHECK(index.find(other, 1).next == 2);
}

TEST_CASE("the shared table repeats what was learnt in a group, and nothing in another") {
  SharedNgrams shared;
  const std::vector<Token> text = tokens_of("once upon a time");
  for (std::size_t n = kMaxNgram + 1; n <= text.size(); ++n) {
    shared.learn(1, std::span(text).first(n));
  }
  CHECK(shared.find(1, tokens_of("He said: once"), 12) == tokens_of(" upon a time"));
  CHECK(shared.find(1, tokens_of("He said: once"), 5) == tokens_of(" upon"));
  CHECK(shared.find(2, tokens_of("He said: once"), 12).empty());
  CHECK(shared.find(1, tokens_of("onc"), 12).empty());
  const std::vector<Token> again = tokens_of("once!");
  shared.learn(1, again);
  CHECK(shared.find(1, tokens_of("once"), 12) == tokens_of("!"));
}

TEST_CASE("the shared table forgets what was learnt longest ago and never grows") {
  SharedNgrams shared(64);
  for (Token i = 0; i < 1000; ++i) {
    shared.learn(0, std::vector<Token>{i, i, i, i, i + 1});
  }
  int n_found = 0;
  for (Token i = 0; i < 1000; ++i) {
    n_found += shared.find(0, std::vector<Token>{i, i, i, i}, 1).empty() ? 0 : 1;
  }
  CHECK(n_found <= 64);
  CHECK(n_found > 32);
  CHECK(shared.find(0, std::vector<Token>{999, 999, 999, 999}, 1).front() == 1000);
}
