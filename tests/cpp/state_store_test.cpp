#include "spec/state_store.h"

#include <doctest/doctest.h>

#include <vector>

using namespace llamabox;

namespace {

// States of two numbers, the first of which is the place.
std::vector<float> states(Pos begin, Pos end) {
  std::vector<float> found;
  for (Pos pos = begin; pos < end; ++pos) {
    found.insert(found.end(), {static_cast<float>(pos), 0.5F});
  }
  return found;
}

} // namespace

TEST_CASE("states are found at their places, as far as they follow each other") {
  StateStore store(2, 2, 100);
  CHECK(store.find(0, 0).empty());
  store.put(0, 7, 0, states(0, 4));
  store.put(0, 7, 4, states(4, 6));
  CHECK(store.covers(0, 7, 0, 6));
  CHECK_FALSE(store.covers(0, 7, 0, 7));
  CHECK_FALSE(store.covers(0, 8, 0, 2));
  CHECK(store.covers(0, 8, 2, 2));
  CHECK(store.find(0, 5)[0] == 5);
  CHECK(store.find(0, 6).empty());
  CHECK(store.find(1, 0).empty());
  store.put(0, 7, 10, states(10, 12)); // the target took over a prefix in between
  CHECK_FALSE(store.covers(0, 7, 5, 12));
  CHECK(store.covers(0, 7, 10, 12));
}

TEST_CASE("what is run again replaces what was there, and another text all of it") {
  StateStore store(1, 2, 100);
  store.put(0, 7, 0, states(0, 8));
  store.put(0, 7, 5, states(105, 106));
  CHECK(store.find(0, 5)[0] == 105);
  CHECK(store.find(0, 6).empty());
  store.put(0, 7, 0, states(0, 2)); // it was preempted
  CHECK(store.covers(0, 7, 0, 2));
  CHECK(store.find(0, 2).empty());
  store.put(0, 9, 2, states(2, 3));
  CHECK_FALSE(store.covers(0, 9, 0, 3));
}

TEST_CASE("rejected tokens' states are cut off, those of another text stay") {
  StateStore store(1, 2, 100);
  store.put(0, 7, 3, states(3, 8));
  store.cut(0, 8, 4);
  CHECK(store.covers(0, 7, 3, 8));
  store.cut(0, 7, 5);
  CHECK(store.covers(0, 7, 3, 5));
  CHECK(store.find(0, 5).empty());
  store.cut(0, 7, 1);
  CHECK(store.find(0, 3).empty());
}

TEST_CASE("the oldest go first, and when they are needed no more") {
  StateStore store(1, 2, 100);
  store.put(0, 7, 0, states(0, 150));
  CHECK(store.find(0, 49).empty());
  CHECK(store.covers(0, 7, 50, 150));
  store.drop_before(0, 60); // too few to be worth it
  CHECK(store.covers(0, 7, 50, 150));
  store.drop_before(0, 120);
  CHECK(store.find(0, 119).empty());
  CHECK(store.find(0, 120)[0] == 120);
}
