#include "engine/encode_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>
#include <random>
#include <set>
#include <utility>
#include <vector>

using namespace llamabox;

namespace {

EncodeLimits limits(std::int32_t n_batch, std::int32_t n_texts, bool can_split = false) {
  EncodeLimits made;
  made.n_batch = n_batch;
  made.n_texts = n_texts;
  made.n_ctx = 1000;
  made.can_split = can_split;
  return made;
}

std::int32_t n_tokens(const std::vector<PackedPiece> &pass) {
  return std::accumulate(pass.begin(), pass.end(), 0,
                         [](std::int32_t n, const PackedPiece &p) { return n + p.n_tokens; });
}

std::size_t n_of(const std::vector<PackedPiece> &pass, RequestId id) {
  return static_cast<std::size_t>(std::ranges::count(pass, id, &PackedPiece::job));
}

} // namespace

TEST_CASE("a pass is filled by token count over many requests") {
  EncodeQueue queue(limits(100, 64));
  for (RequestId id = 1; id <= 12; ++id) {
    queue.add(id, {10});
  }
  CHECK(queue.n_waiting_tokens() == 120);
  const auto first = queue.pack(100);
  CHECK(first.size() == 10);
  CHECK(n_tokens(first) == 100);
  CHECK(queue.pack(100).size() == 2);
  CHECK(queue.empty());
  CHECK(queue.n_waiting_tokens() == 0);
}

TEST_CASE("hundreds of short texts go into one pass, each at a place of its own") {
  EncodeQueue queue(limits(2048, 256));
  queue.add(1, std::vector<std::int32_t>(512, 6));
  for (int i = 0; i < 2; ++i) {
    const auto pass = queue.pack(2048);
    CHECK(pass.size() == 256);
    std::set<SeqId> places;
    for (const PackedPiece &piece : pass) {
      places.insert(piece.seq);
      CHECK(piece.is_last);
      CHECK(piece.seq < 256);
    }
    CHECK(places.size() == 256);
  }
  CHECK(queue.empty());
}

TEST_CASE("one short text does not wait behind a request of hundreds") {
  EncodeQueue queue(limits(100, 64));
  queue.add(1, std::vector<std::int32_t>(500, 10));
  queue.pack(100);
  queue.add(2, {10});
  CHECK(n_of(queue.pack(100), 2) == 1);
}

TEST_CASE("requests share passes by tokens, and a stream of new ones starves nobody") {
  EncodeQueue queue(limits(100, 64));
  queue.add(1, std::vector<std::int32_t>(100, 10));
  queue.add(2, std::vector<std::int32_t>(100, 5));
  std::map<RequestId, std::int32_t> taken;
  for (int i = 0; i < 6; ++i) {
    for (const PackedPiece &piece : queue.pack(100)) {
      taken[piece.job] += piece.n_tokens;
    }
  }
  CHECK(std::abs(taken[1] - taken[2]) <= 10);

  // Fresh requests fill every pass: the eldest still gets a share.
  std::int32_t n_eldest = 0;
  for (RequestId id = 10; id < 30; ++id) {
    queue.add(id, std::vector<std::int32_t>(10, 10));
    n_eldest += static_cast<std::int32_t>(n_of(queue.pack(100), 1));
  }
  CHECK(n_eldest > 5);
}

TEST_CASE("a text that fits no more waits for the next pass, where it is first") {
  EncodeQueue queue(limits(100, 64));
  queue.add(1, {90});
  queue.add(2, {80});
  queue.add(3, {5, 5});
  const auto first = queue.pack(100);
  CHECK(n_of(first, 1) == 1);
  CHECK(n_of(first, 2) == 0);
  CHECK(n_of(first, 3) == 2); // fills what is left
  const auto second = queue.pack(100);
  REQUIRE(second.size() == 1);
  CHECK(second[0].job == 2);
}

TEST_CASE("a text longer than a pass goes alone, whole or in pieces") {
  EncodeQueue whole(limits(100, 64));
  whole.add(1, {250, 10});
  const auto alone = whole.pack(100);
  REQUIRE(alone.size() == 1);
  CHECK(alone[0].n_tokens == 250);
  CHECK(alone[0].is_last);

  EncodeQueue cut(limits(100, 64, true));
  cut.add(1, {250});
  std::vector<PackedPiece> pieces;
  while (!cut.empty()) {
    const auto pass = cut.pack(100);
    REQUIRE(pass.size() == 1);
    pieces.push_back(pass[0]);
  }
  REQUIRE(pieces.size() == 3);
  CHECK(pieces[0].first == 0);
  CHECK(pieces[1].first == 100);
  CHECK(pieces[2].first == 200);
  CHECK(pieces[2].n_tokens == 50);
  CHECK_FALSE(pieces[1].is_last);
  CHECK(pieces[2].is_last);
}

TEST_CASE("a text in pieces leaves half of each pass to others and keeps its place") {
  EncodeQueue queue(limits(100, 4, true));
  queue.add(1, {1000});
  const SeqId place = queue.pack(100)[0].seq;
  for (RequestId id = 2; id < 20; ++id) {
    queue.add(id, {10});
  }
  std::int32_t n_others = 0;
  while (!queue.empty()) {
    const auto pass = queue.pack(100);
    std::set<SeqId> places;
    for (const PackedPiece &piece : pass) {
      places.insert(piece.seq);
      CHECK(piece.seq < 4);
      CHECK((piece.job == 1) == (piece.seq == place && piece.first > 0));
      n_others += piece.job == 1 ? 0 : 1;
    }
    CHECK(places.size() == pass.size());
    CHECK(pass.size() <= 4);
  }
  CHECK(n_others == 18);
}

TEST_CASE("removed requests are not taken; the place of a cut text is named") {
  EncodeQueue queue(limits(100, 64, true));
  queue.add(1, {500});
  queue.add(2, {10, 10});
  const auto pass = queue.pack(100);
  REQUIRE(pass.size() == 1);
  CHECK_FALSE(queue.remove(2));
  CHECK(queue.n_waiting_tokens() == 0);
  CHECK(queue.remove(1) == pass[0].seq);
  CHECK(queue.empty());
  CHECK_FALSE(queue.remove(7));
}

TEST_CASE("every token is taken once, in order, whatever comes and goes") {
  std::minstd_rand random(11);
  for (const bool can_split : {false, true}) {
    EncodeQueue queue(limits(64, 8, can_split));
    std::map<std::pair<RequestId, std::size_t>, std::int32_t> read;
    std::map<std::pair<RequestId, std::size_t>, std::int32_t> given;
    RequestId next = 1;
    for (int step = 0; step < 2000; ++step) {
      if (random() % 3 == 0 && step < 1500) {
        std::vector<std::int32_t> texts(1 + random() % 12);
        for (std::size_t i = 0; i < texts.size(); ++i) {
          texts[i] = static_cast<std::int32_t>(1 + random() % 90);
          given[{next, i}] = texts[i];
        }
        queue.add(next++, texts);
      }
      const bool was_empty = queue.empty();
      const auto pass = queue.pack(static_cast<std::int32_t>(1 + random() % 64));
      CHECK(pass.empty() == was_empty);
      CHECK(pass.size() <= 8);
      for (const PackedPiece &piece : pass) {
        std::int32_t &done = read[{piece.job, piece.text}];
        CHECK(done == piece.first);
        done += piece.n_tokens;
        CHECK(piece.is_last == (done == given.at({piece.job, piece.text})));
      }
    }
    while (!queue.empty()) {
      for (const PackedPiece &piece : queue.pack(64)) {
        read[{piece.job, piece.text}] += piece.n_tokens;
      }
    }
    CHECK(read == given);
    CHECK(queue.n_waiting_tokens() == 0);
  }
}

TEST_CASE("a higher priority goes first for a bounded number of tokens, and passes nothing on") {
  EncodeQueue queue(limits(1024, 64));
  queue.add(1, std::vector<std::int32_t>(100, 512));
  queue.add(2, std::vector<std::int32_t>(100, 512), 2);
  std::size_t n_first = 0;
  for (int pass = 0; pass < 10; ++pass) {
    n_first += n_of(queue.pack(1024), 2);
  }
  CHECK(n_first >= 16); // two levels of 4,096 tokens
  CHECK(n_first < 20);
  queue.add(3, {512});
  CHECK(n_of(queue.pack(1024), 3) == 1);
  CHECK(n_of(queue.pack(1024), 1) == 1);
}
