// The embeddings of the chunks of media that were used last, by the hash of their content.
// Thread rule: one thread. Guarantee: never more than the limit.
// Covered by media_worker_test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace llamabox {

using Embeddings = std::shared_ptr<const std::vector<float>>;

class MediaCache {
public:
  explicit MediaCache(std::int32_t n_max) : n_max_(static_cast<std::size_t>(n_max)) {}

  // Null: not there.
  Embeddings find(std::uint64_t hash) {
    const auto found = places_.find(hash);
    if (found == places_.end()) {
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->second;
  }

  void put(std::uint64_t hash, Embeddings embd) {
    if (n_max_ == 0 || places_.contains(hash)) {
      return;
    }
    if (entries_.size() == n_max_) {
      places_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(hash, std::move(embd));
    places_.emplace(hash, entries_.begin());
  }

private:
  using Entries = std::list<std::pair<std::uint64_t, Embeddings>>; // the last used one first

  std::size_t n_max_;
  Entries entries_;
  std::unordered_map<std::uint64_t, Entries::iterator> places_;
};

} // namespace llamabox
