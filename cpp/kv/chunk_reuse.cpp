#include "kv/chunk_reuse.h"

#include <algorithm>
#include <cstddef>

namespace llamabox {
namespace {

using Keys = std::span<const std::int64_t>;

// Moving walks over all cells of the memory.
constexpr std::size_t kMaxChunks = 64;

// For each beginning of `pattern`, the length of the longest proper end of it that is a beginning
// of `pattern` too (Knuth, Morris and Pratt), so that no key of a text is looked at twice.
std::vector<std::size_t> borders(Keys pattern) {
  std::vector<std::size_t> border(pattern.size(), 0);
  for (std::size_t i = 1, n = 0; i < pattern.size(); ++i) {
    while (n > 0 && pattern[i] != pattern[n]) {
      n = border[n - 1];
    }
    n += pattern[i] == pattern[n] ? 1 : 0;
    border[i] = n;
  }
  return border;
}

// Where `pattern` first stands in `text`; text.size() when nowhere.
std::size_t first_occurrence(Keys text, Keys pattern) {
  const std::vector<std::size_t> border = borders(pattern);
  for (std::size_t i = 0, n = 0; i < text.size(); ++i) {
    while (n > 0 && text[i] != pattern[n]) {
      n = border[n - 1];
    }
    n += text[i] == pattern[n] ? 1 : 0;
    if (n == pattern.size()) {
      return i + 1 - n;
    }
  }
  return text.size();
}

} // namespace

std::vector<Chunk> find_chunks(const ChunkSearch &search) {
  std::vector<Chunk> chunks;
  const auto n_min = static_cast<std::size_t>(std::max(search.n_min, 1));
  Keys wanted = search.wanted.subspan(static_cast<std::size_t>(search.n_prefix));
  auto at = static_cast<std::size_t>(search.first);
  while (chunks.size() < kMaxChunks && wanted.size() >= n_min && at < search.held.size()) {
    const Keys text = search.held.subspan(at);
    const std::size_t found = first_occurrence(text, wanted.first(n_min));
    if (found == text.size()) {
      break;
    }
    const Keys rest = text.subspan(found);
    const auto n = static_cast<std::size_t>(std::ranges::mismatch(rest, wanted).in1 - rest.begin());
    chunks.push_back({static_cast<Pos>(at + found), static_cast<Pos>(n)});
    at += found + n;
    wanted = wanted.subspan(n);
  }
  return chunks;
}

} // namespace llamabox
