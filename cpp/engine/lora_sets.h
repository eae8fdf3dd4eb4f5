// Names sets of LoRA adapters by class keys: sequences of one key have the same set, so they may
// share steps and prefixes. Scales come from clients, so only the sets used last are kept; a set
// that was forgotten gets a new key, which costs its retained prefixes and nothing else.
// Thread rule: engine thread. Guarantee: one key never stands for two sets; 0 is no adapter.
// Covered by lora_sets_test.
#pragma once

#include "base/types.h"
#include "model/lora.h"

#include <algorithm>
#include <cstddef>
#include <list>
#include <memory>
#include <utility>
#include <vector>

namespace llamabox {

struct LoraClass {
  ClassKey key = 0;
  std::shared_ptr<const LoraSet> set;
};

// Sorted and without scales of 0, which change nothing.
inline LoraSet normalized(LoraSet set) {
  std::erase_if(set, [](const LoraScale &lora) { return lora.scale == 0; });
  std::ranges::sort(set, {}, &LoraScale::id);
  return set;
}

class LoraSets {
public:
  static constexpr std::size_t kMaxRemembered = 256;

  LoraClass find(const LoraSet &set) {
    const LoraSet wanted = normalized(set);
    if (wanted.empty()) {
      return none_;
    }
    const auto known =
        std::ranges::find_if(recent_, [&](const LoraClass &one) { return *one.set == wanted; });
    if (known != recent_.end()) {
      recent_.splice(recent_.begin(), recent_, known);
    } else {
      recent_.push_front({++last_key_, std::make_shared<const LoraSet>(wanted)});
    }
    if (recent_.size() > kMaxRemembered) {
      recent_.pop_back();
    }
    return recent_.front();
  }

  // The set that a key stands for; null when it was forgotten.
  std::shared_ptr<const LoraSet> set_of(ClassKey key) const {
    if (key == none_.key) {
      return none_.set;
    }
    const auto known = std::ranges::find(recent_, key, &LoraClass::key);
    return known == recent_.end() ? nullptr : known->set;
  }

private:
  const LoraClass none_{0, std::make_shared<const LoraSet>()};
  std::list<LoraClass> recent_; // the one used last comes first
  ClassKey last_key_ = 0;
};

} // namespace llamabox
