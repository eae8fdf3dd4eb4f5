// Numbers for the names of groups of requests that share prefixes. Names come from clients, so only
// the groups used last are kept; one that was forgotten gets a new number, which costs it what KV
// retains of it and nothing else.
// Thread rule: engine thread. Guarantee: one number never stands for two names; 0 is no name.
// Covered by share_groups_test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <utility>

namespace llamabox {

class ShareGroups {
public:
  static constexpr std::size_t kMaxRemembered = 4096;

  std::uint64_t find(const std::string &name) {
    if (name.empty()) {
      return 0;
    }
    const auto known = by_name_.find(name);
    if (known != by_name_.end()) {
      recent_.splice(recent_.begin(), recent_, known->second);
      return known->second->second;
    }
    if (recent_.size() == kMaxRemembered) {
      by_name_.erase(recent_.back().first);
      recent_.pop_back();
    }
    recent_.emplace_front(name, next());
    by_name_[name] = recent_.begin();
    return recent_.front().second;
  }

  // A group of its own that nobody can name.
  std::uint64_t next() { return ++last_; }

private:
  using Recent = std::list<std::pair<std::string, std::uint64_t>>;

  Recent recent_; // the one used last comes first
  std::unordered_map<std::string, Recent::iterator> by_name_;
  std::uint64_t last_ = 0;
};

} // namespace llamabox
