#include "fake_kv.h"
#include "kv/prefix_cache.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace llamabox;

namespace {

std::vector<std::int64_t> keys_of(const std::string &text) { return {text.begin(), text.end()}; }

struct Setup {
  explicit Setup(KvKind kind, std::int32_t n_seqs = 4)
      : kv({.kind = kind,
            .n_seqs = n_seqs,
            .n_cells = 1000,
            .can_share = kind == KvKind::kUnified,
            .can_shift = kind == KvKind::kUnified}),
        cache(kv) {}

  // As a sequence in the slot that has decoded the text beyond what it found in KV.
  SeqId run(const std::string &text, std::int32_t slot = 0, const PrefixRoot &root = {}) {
    const auto keys = keys_of(text);
    const SeqId seq = cache.bind(cache.best_match(keys, root), {root, slot, keys});
    decode(seq, text.substr(static_cast<std::size_t>(cache.length(seq))));
    return seq;
  }

  SeqId retain(const std::string &text, std::int32_t slot = 0, const PrefixRoot &root = {}) {
    const SeqId seq = run(text, slot, root);
    cache.release(seq);
    return seq;
  }

  void decode(SeqId seq, const std::string &text) {
    for (const char c : text) {
      Row row;
      row.token = c;
      row.seq = seq;
      kv.append(row);
    }
    cache.append(seq, keys_of(text));
  }

  PrefixMatch match(const std::string &text, const PrefixRoot &root = {}) const {
    return cache.best_match(keys_of(text), root);
  }

  FakeKv kv;
  PrefixCache cache;
};

} // namespace

TEST_CASE("the longest prefix wins, among equals the one that loses least") {
  Setup setup(KvKind::kUnified);
  setup.retain("help");
  const SeqId longer = setup.retain("hello world and more");
  setup.retain("no");
  const SeqId seq = setup.run("hello world");
  CHECK(seq != longer); // shared into an id of its own
  setup.cache.release(seq);
  CHECK(setup.match("hello world!").seq == seq);
  CHECK(setup.match("hello world!").n == 11);
  CHECK(setup.match("xyz").seq == kNoSeq);
  CHECK(setup.match("hello", {9, 0}).seq == kNoSeq);
  CHECK(setup.match("hello", {0, 9}).seq == kNoSeq);
}

TEST_CASE("a running holder is used where memory shares, and skipped where not") {
  Setup unified(KvKind::kUnified);
  const SeqId seq = unified.run("prefix");
  CHECK(unified.match("prefix!").seq == seq);
  Setup split(KvKind::kSplit);
  split.run("prefix");
  CHECK(split.match("prefix!").seq == kNoSeq);
}

TEST_CASE("what an ended sequence left stays in place while ids are free") {
  Setup setup(KvKind::kUnified, 3);
  const SeqId first = setup.retain("the first text");
  const SeqId second = setup.retain("a second one");
  CHECK(first != second);
  CHECK(setup.kv.n_shares == 0);
  const SeqId again = setup.run("the first text goes on");
  CHECK(again == first); // nothing of it is lost
  CHECK(setup.kv.n_shares == 0);
  setup.cache.release(again);
  setup.retain("number three");
  setup.retain("xyz"); // ids have run out: the least recently used goes
  CHECK(setup.match("a second one").n == 0);
  CHECK(setup.match("the first text goes on").n == 22);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
}

TEST_CASE("a slot knows what its last sequence left, until that is gone") {
  Setup setup(KvKind::kUnified, 2);
  const SeqId seq = setup.retain("left behind", 1);
  CHECK(setup.cache.seq_of(1) == seq);
  CHECK(setup.cache.seq_of(0) == kNoSeq);
  const SeqId other = setup.retain("another", 1);
  CHECK(setup.cache.seq_of(1) == other);
  CHECK(setup.match("left behind").seq == seq);
  setup.cache.forget(other);
  CHECK(setup.cache.seq_of(1) == kNoSeq);
}

TEST_CASE("a prefill under way is found until it has come so far or ended") {
  Setup setup(KvKind::kUnified);
  const auto keys = keys_of("a long common beginning, one");
  const SeqId leader = setup.cache.bind({}, {{}, 0, keys});
  const auto wanted = keys_of("a long common beginning, two");
  const Underway prefill = setup.cache.underway(wanted, {});
  CHECK(prefill.seq == leader);
  CHECK(prefill.n == 25);
  CHECK(setup.cache.is_underway(prefill));
  setup.decode(leader, "a long common");
  CHECK(setup.cache.is_underway(prefill));
  CHECK(setup.match("a long common beginning, two").n == 13);
  setup.decode(leader, " beginning, o");
  CHECK_FALSE(setup.cache.is_underway(prefill));
  CHECK(setup.cache.underway(wanted, {}).seq == kNoSeq);
  CHECK(setup.cache.underway(keys, {}).n == 28);
  setup.cache.release(leader);
  CHECK(setup.cache.underway(keys, {}).seq == kNoSeq);
  CHECK(setup.match("a long common beginning, one").n == 26);
  const SeqId next = setup.cache.bind({}, {{}, 0, keys});
  CHECK(setup.cache.is_underway({next, prefill.binding, 10}) == false);
}

TEST_CASE("a recurrent state is taken whole or not at all") {
  Setup setup(KvKind::kRecurrent);
  setup.retain("state");
  CHECK(setup.match("state goes on").n == 5);
  CHECK(setup.match("stat").n == 0);
}

TEST_CASE("what moved is no prefix, what stands before it is") {
  Setup setup(KvKind::kUnified);
  const SeqId seq = setup.run("hello big world");
  setup.cache.drop(seq, 5, 9);
  CHECK(setup.cache.length(seq) == 11);
  CHECK(setup.kv.length(seq) == 11);
  CHECK(setup.match("hello world and more").n == 5);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
  setup.cache.trim(seq, 5);
  setup.decode(seq, " you");
  CHECK(setup.match("hello you").n == 9);
}

TEST_CASE("cells that others hold are known, and given up by those who may") {
  Setup setup(KvKind::kUnified);
  const SeqId a = setup.run("a shared prefix, and the rest");
  CHECK(setup.cache.n_shared(a) == 0);
  const SeqId b = setup.run("a shared prefix");
  const SeqId c = setup.run("a shared");
  CHECK(setup.cache.n_shared(a) == 15);
  CHECK(setup.cache.n_shared(b) == 15);
  CHECK(setup.cache.n_shared(c) == 8);
  setup.cache.make_private(a, 4, b);
  CHECK(setup.cache.n_shared(a) == 8);
  setup.cache.make_private(a, 4, c);
  CHECK(setup.cache.n_shared(a) == 4);
  CHECK(setup.cache.length(a) == 29);
  CHECK(setup.cache.length(b) == 4);
  setup.cache.drop(a, 4, 10); // moves only what is its own
  CHECK(setup.cache.n_used() == setup.kv.n_used());
}

TEST_CASE("chunks are moved together and the rest goes") {
  Setup setup(KvKind::kUnified);
  const SeqId seq = setup.retain("AAA one BBB two CCC");
  const auto wanted = keys_of("AAA BBB CCC?");
  const ChunkMatch match = setup.cache.best_chunks(wanted, {}, 3);
  CHECK(match.seq == seq);
  CHECK(match.n == 11);
  CHECK(setup.cache.bind_chunks(match, {{}, 0, wanted}) == seq);
  CHECK(setup.cache.length(seq) == 11);
  CHECK(setup.kv.length(seq) == 11);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
  setup.cache.release(seq);
  // In place now, but never as a prefix.
  CHECK(setup.match("AAA BBB CCC?").n == 4);
  CHECK(setup.cache.best_chunks(wanted, {}, 3).n == 11);
  CHECK(setup.cache.best_chunks(wanted, {1, 0}, 3).seq == kNoSeq);
}

TEST_CASE("eviction takes the end of the oldest prefix, and only what is its own") {
  Setup setup(KvKind::kUnified);
  const std::string common(50, 'c');
  const SeqId oldest = setup.retain(common + std::string(100, 'x'));
  const SeqId other = setup.retain(common + std::string(100, 'y'));
  CHECK(setup.cache.n_used() == 250);
  CHECK(setup.cache.evict_one(20));
  CHECK(setup.cache.length(oldest) == 130);
  CHECK(setup.match(common + std::string(100, 'x')).n == 130);
  CHECK(setup.cache.evict_one(1)); // no less than memory's smallest part, 7 of 1000 cells
  CHECK(setup.cache.length(oldest) == 123);
  CHECK(setup.cache.evict_one(90)); // more than it has alone: the common part stays with the other
  CHECK(setup.cache.length(oldest) == 0);
  CHECK(setup.match(common).seq == other);
  CHECK(setup.cache.n_used() == 150);
  CHECK(setup.cache.evict_one(1, other) == false);
  CHECK(setup.cache.n_used() == setup.kv.n_used());
}

TEST_CASE("what cannot be cut is evicted whole") {
  Setup setup(KvKind::kRecurrent);
  const SeqId seq = setup.retain(std::string(100, 's'));
  CHECK(setup.cache.evict_one(10));
  CHECK(setup.cache.length(seq) == 0);
}

TEST_CASE("pinned prefixes go last, and only to prompts that have half of them") {
  Setup setup(KvKind::kSplit, 2);
  const SeqId pinned = setup.retain("pinned text");
  setup.cache.pin(pinned);
  setup.retain("other");
  CHECK(setup.retain("pinx") != pinned);
  CHECK(setup.cache.evict_one(100));
  CHECK(setup.cache.length(pinned) == 11);
  CHECK(setup.run("pinned text goes on") == pinned);
  CHECK_FALSE(setup.cache.is_pinned(pinned));
}
