#include "kv/host_tier.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace llamabox;

namespace {

std::vector<std::int64_t> keys_of(const std::string &text) { return {text.begin(), text.end()}; }

// An entry of pieces of four tokens, 10 bytes each.
void add(HostTier &tier, const std::string &text, const PrefixRoot &root = {}) {
  const auto keys = keys_of(text);
  const auto n = static_cast<Pos>(keys.size());
  Pieces pieces;
  for (const auto &piece : tier.find(keys, root).pieces) {
    if (piece->end <= tier.find(keys, root).n) {
      pieces.push_back(piece);
    }
  }
  while (n_tokens_of(pieces) < n) {
    const Pos begin = n_tokens_of(pieces);
    pieces.push_back(tier.make_piece(begin, std::min(n, begin + 4), std::vector<std::uint8_t>(10)));
  }
  tier.add(root, keys, std::move(pieces));
}

} // namespace

TEST_CASE("the entry with most in common is found, in its own root") {
  HostTier tier(1000, false);
  add(tier, "aaaabbbb");
  add(tier, "aaaacccc");
  CHECK(tier.find(keys_of("aaaaccxx"), {}).n == 6);
  CHECK(tier.find(keys_of("aaaaccxx"), {}).pieces.size() == 2);
  CHECK(tier.find(keys_of("zzz"), {}).n == 0);
  CHECK(tier.find(keys_of("aaaacccc"), {0, 1}).n == 0);
}

TEST_CASE("entries share the pieces of their common beginning") {
  HostTier tier(1000, false);
  add(tier, "aaaabbbb");
  add(tier, "aaaacccc");
  CHECK(tier.n_entries() == 2);
  CHECK(tier.n_bytes() == 30);
  add(tier, "aaaabbbbdddd"); // takes the place of its beginning
  CHECK(tier.n_entries() == 2);
  CHECK(tier.n_bytes() == 40);
  add(tier, "aaaabbbb"); // known
  CHECK(tier.n_entries() == 2);
}

TEST_CASE("the least recently used goes when there is no room, running restores keep theirs") {
  HostTier tier(30, false);
  add(tier, "aaaa");
  add(tier, "bbbb");
  add(tier, "cccc");
  const ParkedMatch used = tier.find(keys_of("aaaa"), {});
  add(tier, "dddd");
  CHECK(tier.n_bytes() == 30);
  CHECK(tier.find(keys_of("bbbb"), {}).n == 0);
  add(tier, "eeee");
  add(tier, "ffff");
  add(tier, "gggg");
  CHECK(tier.find(keys_of("aaaa"), {}).n == 0);
  CHECK(used.pieces.front()->state.size() == 10);
  add(tier, "hhhhiiiijjjjkkkk"); // more than all of it
  CHECK(tier.n_bytes() <= 30);
}

TEST_CASE("whole entries are of use to prompts that have all of them") {
  HostTier tier(1000, true);
  add(tier, "aaaa");
  tier.add({}, keys_of("aaaabb"), {tier.make_piece(0, 6, std::vector<std::uint8_t>(20))});
  CHECK(tier.n_entries() == 2);
  CHECK(tier.find(keys_of("aaaabbcc"), {}).n == 6);
  CHECK(tier.find(keys_of("aaaabxx"), {}).n == 4);
  CHECK(tier.find(keys_of("aaaxx"), {}).n == 0);
}
