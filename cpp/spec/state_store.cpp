#include "spec/state_store.h"

#include <algorithm>

namespace llamabox {
namespace {

// Fewer states than this are not worth moving the others.
constexpr Pos kErasedAtOnce = 64;

} // namespace

void StateStore::put(SeqId seq, std::uint64_t stream, Pos begin, std::span<const float> states) {
  Held &one = held_[static_cast<std::size_t>(seq)];
  if (one.stream != stream || begin < one.begin || begin > end_of(one)) {
    one.stream = stream;
    one.begin = begin;
    one.states.clear();
  }
  one.states.resize(static_cast<std::size_t>(begin - one.begin) * width_);
  one.states.insert(one.states.end(), states.begin(), states.end());
  if (one.states.size() > n_most_ * width_) {
    erase_front(one, end_of(one) - static_cast<Pos>(n_most_));
  }
}

void StateStore::cut(SeqId seq, std::uint64_t stream, Pos end) {
  Held &one = held_[static_cast<std::size_t>(seq)];
  if (one.stream == stream && end < end_of(one)) {
    one.states.resize(static_cast<std::size_t>(std::max(0, end - one.begin)) * width_);
  }
}

void StateStore::drop_before(SeqId seq, Pos begin) {
  Held &one = held_[static_cast<std::size_t>(seq)];
  if (begin - one.begin >= kErasedAtOnce) {
    erase_front(one, std::min(begin, end_of(one)));
  }
}

void StateStore::erase_front(Held &one, Pos begin) const {
  const auto n = static_cast<std::ptrdiff_t>(static_cast<std::size_t>(begin - one.begin) * width_);
  one.states.erase(one.states.begin(), one.states.begin() + n);
  one.begin = begin;
}

bool StateStore::covers(SeqId seq, std::uint64_t stream, Pos begin, Pos end) const {
  const Held &one = held_[static_cast<std::size_t>(seq)];
  return begin >= end || (one.stream == stream && one.begin <= begin && end <= end_of(one));
}

std::span<const float> StateStore::find(SeqId seq, Pos pos) const {
  const Held &one = held_[static_cast<std::size_t>(seq)];
  if (pos < one.begin || pos >= end_of(one)) {
    return {};
  }
  return std::span(one.states).subspan(static_cast<std::size_t>(pos - one.begin) * width_, width_);
}

} // namespace llamabox
