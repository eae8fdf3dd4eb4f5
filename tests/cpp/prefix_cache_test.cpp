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
      : kv({.kind = kind,
            .n_cells = 1000,
            .can_share = kind == KvKind::kUnified,
            .can_shift = kind == KvKind::kUnified},
           4),
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

TEST_CASE("what moved is no prefix, what stands before it is") {
  Setup setup(KvKind::kUnified);
  setup.fill(0, "hello big world");
  setup.cache.drop(0, 5, 9);
  CHECK(setup.cache.length(0) == 11);
  CHECK(setup.kv.length(0) == 11);
  CHECK(setup.cache.best_match(keys_of("hello world and more"), 0, kAllFree).n == 5);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
  setup.cache.trim(0, 5);
  for (const char c : std::string(" you")) {
    setup.kv.append({.token = c});
  }
  setup.cache.append(0, keys_of(" you"));
  CHECK(setup.cache.best_match(keys_of("hello you"), 0, kAllFree).n == 9);
}

TEST_CASE("cells that others hold are known, and given up by those who may") {
  Setup setup(KvKind::kUnified);
  setup.fill(0, "a shared prefix, and the rest");
  CHECK(setup.cache.n_shared(0) == 0);
  setup.cache.take_over(1, {0, 15}, 0);
  setup.cache.take_over(2, {1, 8}, 0);
  CHECK(setup.cache.n_shared(0) == 15);
  CHECK(setup.cache.n_shared(1) == 15);
  CHECK(setup.cache.n_shared(2) == 8);
  setup.cache.make_private(0, 4, 1);
  CHECK(setup.cache.n_shared(0) == 8);
  setup.cache.make_private(0, 4, 2);
  CHECK(setup.cache.n_shared(0) == 4);
  CHECK(setup.cache.length(0) == 29);
  CHECK(setup.cache.length(1) == 4);
  setup.cache.drop(0, 2, 10); // moves only what is its own
  CHECK(setup.cache.n_shared(0) == 2);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
}

TEST_CASE("chunks are moved together and the rest goes") {
  Setup setup(KvKind::kUnified);
  setup.fill(0, "AAA one BBB two CCC");
  const auto wanted = keys_of("AAA BBB CCC?");
  const ChunkMatch match = setup.cache.best_chunks(wanted, 0, kAllFree, 3);
  CHECK(match.seq == 0);
  CHECK(match.n == 11);
  CHECK(setup.cache.take_chunks(match) == 11);
  CHECK(setup.kv.length(0) == 11);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
  // In place now, but never as a prefix.
  CHECK(setup.cache.best_match(wanted, 0, kAllFree).n == 4);
  CHECK(setup.cache.best_chunks(wanted, 0, kAllFree, 3).n == 11);
  CHECK(setup.cache.best_chunks(wanted, 1, kAllFree, 3).seq == -1);
}
