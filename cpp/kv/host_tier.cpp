#include "kv/host_tier.h"

#include <algorithm>
#include <utility>

namespace llamabox {

ParkedMatch HostTier::find(Keys keys, const PrefixRoot &root) {
  ParkedMatch best;
  tree_.find(root, keys, [&](const PrefixHolder &found) {
    Entry &one = entry(found.holder);
    const Pos n = std::min(found.n, n_tokens_of(one.pieces));
    if (!whole_ || n == n_tokens_of(one.pieces)) {
      best = {one.pieces, n};
      one.last_used = ++n_uses_;
    }
    return best.n == 0;
  });
  return best;
}

std::shared_ptr<const ParkedPiece> HostTier::make_piece(Pos begin, Pos end,
                                                        std::vector<std::uint8_t> state) {
  n_bytes_ += state.size();
  const auto release = [this](const ParkedPiece *piece) {
    n_bytes_ -= piece->state.size();
    delete piece;
  };
  return {new ParkedPiece{begin, end, std::move(state)}, release};
}

void HostTier::add(const PrefixRoot &root, Keys keys, Pieces pieces) {
  const auto n = static_cast<Pos>(keys.size());
  bool is_known = false;
  std::vector<HolderId> beginnings;
  tree_.find(root, keys, [&](const PrefixHolder &found) {
    const Pos n_other = n_tokens_of(entry(found.holder).pieces);
    is_known = is_known || (found.n == n && (whole_ ? n_other == n : n_other >= n));
    if (!whole_ && found.n == n_other && n_other < n) {
      beginnings.push_back(found.holder);
    }
    return true;
  });
  if (is_known || n == 0) {
    return;
  }
  const auto free = std::ranges::find_if(entries_, [](const Entry &e) { return e.pieces.empty(); });
  const auto id = static_cast<HolderId>(free - entries_.begin());
  if (free == entries_.end()) {
    entries_.emplace_back();
  }
  entry(id) = {std::move(pieces), ++n_uses_};
  tree_.insert(id, root, keys);
  ++n_entries_;
  for (const HolderId beginning : beginnings) {
    remove(beginning);
  }
  while (n_bytes_ > n_bytes_max_ && n_entries_ > 0) {
    remove(least_recent());
  }
}

void HostTier::remove(HolderId id) {
  tree_.erase(id);
  entry(id).pieces.clear();
  --n_entries_;
}

HolderId HostTier::least_recent() const {
  HolderId least = -1;
  for (std::size_t at = 0; at < entries_.size(); ++at) {
    const auto is_older = [&] {
      return least < 0 ||
             entries_[at].last_used < entries_[static_cast<std::size_t>(least)].last_used;
    };
    if (!entries_[at].pieces.empty() && is_older()) {
      least = static_cast<HolderId>(at);
    }
  }
  return least;
}

} // namespace llamabox
