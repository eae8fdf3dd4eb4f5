// Takes fixed-size values from the front of a message.
// Thread rule: plain value. ERRORS: BadMessage where the message is too short.
// Covered by rpc_graph_test.
#pragma once

#include "rpc/tensor.h"

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

namespace llamabox {

class MessageReader {
public:
  explicit MessageReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  template <typename T> T take() {
    static_assert(std::is_trivially_copyable_v<T>);
    if (rest_.size() < sizeof(T)) {
      throw BadMessage("a message is too short");
    }
    T value;
    std::memcpy(&value, rest_.data(), sizeof(T));
    rest_ = rest_.subspan(sizeof(T));
    return value;
  }

  std::size_t left() const { return rest_.size(); }

private:
  std::span<const std::byte> rest_;
};

} // namespace llamabox
