#include "engine/lora_sets.h"

#include <doctest/doctest.h>

#include <set>

using namespace llamabox;

TEST_CASE("equal sets have one key, whatever their order and their zeros") {
  LoraSets sets;
  const LoraClass first = sets.find({{0, 0.5F}, {2, 1.0F}});
  CHECK(first.key != 0);
  CHECK(sets.find({{2, 1.0F}, {1, 0.0F}, {0, 0.5F}}).key == first.key);
  CHECK(*first.set == LoraSet{{0, 0.5F}, {2, 1.0F}});
  CHECK(sets.find({{0, 0.5F}, {2, 1.5F}}).key != first.key);
  CHECK(sets.find({{0, 0.5F}}).key != first.key);
}

TEST_CASE("no adapter and scales of 0 are the class 0") {
  LoraSets sets;
  CHECK(sets.find({}).key == 0);
  CHECK(sets.find({{0, 0.0F}, {1, 0.0F}}).key == 0);
  CHECK(sets.find({{0, 0.0F}}).set->empty());
}

TEST_CASE("endless sets leave those used last, and no key comes back for another set") {
  LoraSets sets;
  const ClassKey kept = sets.find({{0, 1.0F}}).key;
  std::set<ClassKey> keys;
  for (int i = 0; i < 1000; ++i) {
    keys.insert(sets.find({{1, static_cast<float>(i + 1)}}).key);
    CHECK(sets.find({{0, 1.0F}}).key == kept);
  }
  CHECK(keys.size() == 1000);
  CHECK_FALSE(keys.contains(kept));
  CHECK_FALSE(keys.contains(sets.find({{1, 1.0F}}).key)); // forgotten by now, so it is new
}
