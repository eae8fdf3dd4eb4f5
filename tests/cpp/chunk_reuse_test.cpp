#include "kv/chunk_reuse.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace llamabox;

namespace {

// The chunks as text, "from:what" each.
std::string chunks(const std::string &held, const std::string &wanted, Pos n_min,
                   Pos n_prefix = 0) {
  const std::vector<std::int64_t> held_keys(held.begin(), held.end());
  const std::vector<std::int64_t> wanted_keys(wanted.begin(), wanted.end());
  std::string found;
  for (const Chunk &chunk : find_chunks({held_keys, wanted_keys, n_prefix, n_prefix, n_min})) {
    found += (found.empty() ? "" : " ") + std::to_string(chunk.from) + ":" +
             held.substr(static_cast<std::size_t>(chunk.from), static_cast<std::size_t>(chunk.n));
  }
  return found;
}

} // namespace

TEST_CASE("what follows a cut is found where it stands") {
  CHECK(chunks("system old turn new turn", "system new turn, and more", 3, 7) == "16:new turn");
  CHECK(chunks("abcdefgh", "efgh", 4) == "4:efgh");
  CHECK(chunks("one two three four", "two four", 4) == "4:two  14:four");
}

TEST_CASE("short chunks and what is not there are computed") {
  CHECK(chunks("abcdefgh", "efgh", 5).empty());
  CHECK(chunks("abcdefgh", "xefgh", 2).empty()); // a gap ends it
  CHECK(chunks("", "abc", 1).empty());
  CHECK(chunks("abc", "", 1).empty());
  CHECK(chunks("abcabd", "abd", 3) == "3:abd");
  CHECK(chunks("aaaaab", "aab", 3) == "3:aab");
}

TEST_CASE("an endless repetition is searched in one pass") {
  // Naive search would take 10^10 comparisons.
  const std::string held(200000, 'a');
  const std::string wanted = std::string(99999, 'a') + "b";
  CHECK(chunks(held, wanted, 100000).empty());
}

TEST_CASE("the number of chunks is bounded") {
  std::string held;
  std::string wanted;
  for (int i = 0; i < 1000; ++i) {
    held += static_cast<char>('a' + i % 26);
    held += '-';
    wanted += static_cast<char>('a' + i % 26);
  }
  const std::vector<std::int64_t> held_keys(held.begin(), held.end());
  const std::vector<std::int64_t> wanted_keys(wanted.begin(), wanted.end());
  CHECK(find_chunks({held_keys, wanted_keys, 0, 0, 1}).size() == 64);
}
