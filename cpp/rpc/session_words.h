// The words that a session's two files are written in: fixed-size values off and onto a stream, and
// the check that every transfer passes.
// Thread rule: pure but for the stream. Covered by rpc_session_test.
#pragma once

#include "rpc/session.h"

namespace llamabox {

template <typename T> T take(RpcStream &stream) {
  T value;
  stream.read(&value, sizeof value);
  return value;
}

template <typename T> void reply(const T &value, RpcStream &stream) {
  const std::uint64_t size = sizeof value;
  stream.write(&size, sizeof size);
  stream.write(&value, sizeof value);
}

inline void need_range(const RpcTensor &tensor, std::uint64_t offset, std::uint64_t n) {
  const std::uint64_t room = tensor.buffer->size - tensor.offset;
  if (offset > room || n > room - offset) {
    throw BadMessage("a transfer goes beyond its buffer");
  }
}

} // namespace llamabox
