#include "fake_kv.h"
#include "kv/prefix_cache.h"

#include <doctest/doctest.h>

#include <numeric>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

std::vector<std::int64_t> keys_of(const std::string &text) { return {text.begin(), text.end()}; }

struct Setup {
  explicit Setup(KvKind kind)
      : kv({.kind = kind, .n_cells = 1000, .can_share = kind == KvKind::kUnified}, 4),
        cache(kv, 4) {}

  void fill(SeqId seq, const std::string &text, ClassKey class_key = 0) {
    cache.take_over(seq, {}, class_key);
    for (const char c : text) {
      Row row;
      row.token = c;
      row.seq = seq;
      kv.append(row);
    }
    cache.append(seq, keys_of(text));
  }

  FakeKv kv;
  PrefixCache cache;
};

const std::vector<SeqId> kAllFree{0, 1, 2, 3};

} // namespace

TEST_CASE("the longest prefix wins, among equals the one that loses least") {
  Setup setup(KvKind::kUnified);
  setup.fill(0, "hello world and more");
  setup.fill(1, "hello world");
  setup.fill(2, "help");
  const PrefixMatch match = setup.cache.best_match(keys_of("hello world!"), 0, kAllFree);
  CHECK(match.seq == 1);
  CHECK(match.n == 11);
  CHECK(setup.cache.best_match(keys_of("nothing"), 0, kAllFree).seq == -1);
  CHECK(setup.cache.best_match(keys_of("hello"), 9, kAllFree).seq == -1);
}

TEST_CASE("a running holder is used where memory shares, and skipped where not") {
  const std::vector<SeqId> others{1, 2, 3};
  Setup unified(KvKind::kUnified);
  unified.fill(0, "prefix");
  CHECK(unified.cache.best_match(keys_of("prefix!"), 0, others).seq == 0);
  Setup split(KvKind::kSplit);
  split.fill(0, "prefix");
  CHECK(split.cache.best_match(keys_of("prefix!"), 0, others).seq == -1);
}

TEST_CASE("taking over shares or trims, and memory and cache agree") {
  Setup setup(KvKind::kUnified);
  setup.fill(0, "hello world");
  CHECK(setup.cache.take_over(1, {0, 5}, 0) == 5);
  CHECK(setup.kv.length(1) == 5);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
  CHECK(setup.cache.take_over(0, {0, 3}, 0) == 3);
  CHECK(setup.kv.length(0) == 3);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
  setup.cache.forget(1);
  CHECK(setup.kv.length(1) == 0);
  CHECK(setup.cache.n_used() == 3);
}

TEST_CASE("a recurrent state is taken whole or not at all") {
  Setup setup(KvKind::kRecurrent);
  setup.fill(0, "state");
  CHECK(setup.cache.best_match(keys_of("state goes on"), 0, kAllFree).n == 5);
  CHECK(setup.cache.best_match(keys_of("stat"), 0, kAllFree).n == 0);
}
