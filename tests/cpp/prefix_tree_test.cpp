#include "kv/prefix_tree.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace llamabox;

namespace {

using KeyList = std::vector<std::int64_t>;

KeyList keys_of(const std::string &text) { return {text.begin(), text.end()}; }

std::vector<std::pair<HolderId, Pos>> all_found(const PrefixTree &tree, const PrefixRoot &root,
                                                const KeyList &keys) {
  std::vector<std::pair<HolderId, Pos>> found;
  tree.find(root, keys, [&](const PrefixHolder &one) {
    found.emplace_back(one.holder, one.n);
    return true;
  });
  return found;
}

} // namespace

TEST_CASE("those with most in common come first, each once") {
  PrefixTree tree;
  tree.insert(0, {}, keys_of("hello world"));
  tree.insert(1, {}, keys_of("hello"));
  tree.insert(2, {}, keys_of("help"));
  tree.insert(3, {}, keys_of("other"));
  const auto found = all_found(tree, {}, keys_of("hello world!"));
  REQUIRE(found.size() == 3);
  CHECK(found[0] == std::pair(0, 11));
  CHECK(found[1] == std::pair(1, 5));
  CHECK(found[2] == std::pair(2, 3));
  CHECK(all_found(tree, {}, keys_of("xyz")).empty());
  CHECK(all_found(tree, {}, {}).empty());
}

TEST_CASE("roots are worlds of their own") {
  PrefixTree tree;
  tree.insert(0, {1, 0}, keys_of("the same"));
  tree.insert(1, {0, 1}, keys_of("the same"));
  CHECK(all_found(tree, {0, 0}, keys_of("the same")).empty());
  CHECK(all_found(tree, {1, 1}, keys_of("the same")).empty());
  CHECK(all_found(tree, {1, 0}, keys_of("the same")).front() == std::pair(0, 8));
}

TEST_CASE("a search ends when nobody wants more") {
  PrefixTree tree;
  tree.insert(0, {}, keys_of("aaa"));
  tree.insert(1, {}, keys_of("aab"));
  int n = 0;
  tree.find({}, keys_of("aaa"), [&](const PrefixHolder &) { return ++n < 1; });
  CHECK(n == 1);
}

TEST_CASE("random growth, cuts and removals agree with a list of strings") {
  std::minstd_rand random(3);
  const auto below = [&](int n) {
    return static_cast<int>(random() % static_cast<std::uint32_t>(n));
  };
  const auto random_keys = [&](int n_max) {
    KeyList keys(static_cast<std::size_t>(below(n_max + 1)));
    std::ranges::generate(keys, [&] { return below(2); });
    return keys;
  };
  for (int round = 0; round < 200; ++round) {
    PrefixTree tree;
    std::map<HolderId, std::pair<PrefixRoot, KeyList>> model;
    for (int i = 0; i < 100; ++i) {
      const HolderId holder = below(8);
      const auto known = model.find(holder);
      REQUIRE(tree.contains(holder) == (known != model.end()));
      if (known == model.end()) {
        const PrefixRoot root{static_cast<ClassKey>(below(2)), 0};
        KeyList keys = random_keys(12);
        tree.insert(holder, root, keys);
        model[holder] = {root, std::move(keys)};
      } else if (const int action = below(4); action == 0) {
        tree.erase(holder);
        model.erase(known);
      } else if (action == 1) {
        const Pos n = below(static_cast<int>(known->second.second.size()) + 1);
        tree.cut(holder, n);
        known->second.second.resize(static_cast<std::size_t>(n));
      } else {
        const KeyList more = random_keys(5);
        tree.extend(holder, more);
        known->second.second.insert(known->second.second.end(), more.begin(), more.end());
      }
      const PrefixRoot root{static_cast<ClassKey>(below(2)), 0};
      const KeyList wanted = random_keys(14);
      std::map<HolderId, Pos> expected;
      for (const auto &[id, one] : model) {
        const auto end = std::ranges::mismatch(one.second, wanted).in1;
        REQUIRE(tree.length(id) == static_cast<Pos>(one.second.size()));
        if (one.first == root && end != one.second.begin()) {
          expected[id] = static_cast<Pos>(end - one.second.begin());
        }
      }
      const auto found = all_found(tree, root, wanted);
      REQUIRE(std::map<HolderId, Pos>(found.begin(), found.end()) == expected);
      REQUIRE(found.size() == expected.size());
      REQUIRE(
          std::ranges::is_sorted(found, std::ranges::greater{}, &std::pair<HolderId, Pos>::second));
    }
  }
}
