// What a session does with tensor data: in, out, within, and from the cache.
#include "rpc/session.h"

#include "rpc/messages.h"
#include "rpc/session_words.h"
#include "rpc/tensor_cache.h"

#include <algorithm>

namespace llamabox {
namespace {

constexpr std::size_t kChunkBytes = std::size_t{1} << 20;

// Rows may lie apart but not over each other, so that a message moves no more than it spans.
std::uint64_t span_of(std::uint64_t size, std::uint64_t n_copies, std::uint64_t stride) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 48;
  if (size == 0 || n_copies == 0 || size > kMost || n_copies > kMost || stride > kMost) {
    throw BadMessage("a transfer of rows of no or too much length");
  }
  if (n_copies > 1 && (stride < size || n_copies - 1 > kMost / stride)) {
    throw BadMessage("rows of a transfer lie over each other");
  }
  return (n_copies - 1) * stride + size;
}

} // namespace

void RpcSession::set_tensor(std::uint64_t payload, RpcStream &stream) {
  if (payload < sizeof(SetRequest)) {
    throw BadMessage("a message is too short");
  }
  const auto request = take<SetRequest>(stream);
  const RpcTensor tensor = placed(request.tensor);
  const std::uint64_t n = payload - sizeof(SetRequest);
  need_range(tensor, request.offset, n);
  if (host_.cache == nullptr || request.keep == 0) {
    return receive_into(tensor, request.offset, n, stream);
  }
  TensorCache::Writer writer = host_.cache->begin(n);
  chunk_.resize(kChunkBytes);
  for (std::uint64_t done = 0; done < n;) {
    const std::size_t part = std::min<std::uint64_t>(n - done, kChunkBytes);
    stream.read(chunk_.data(), part);
    writer.add({chunk_.data(), part});
    seat_of(tensor).device->write(tensor, request.offset + done, chunk_.data(), part);
    done += part;
  }
  counts_.received_bytes += n;
  writer.finish();
}

void RpcSession::receive_into(const RpcTensor &tensor, std::uint64_t offset, std::uint64_t n,
                              RpcStream &stream) {
  chunk_.resize(std::min<std::uint64_t>(std::max<std::uint64_t>(n, chunk_.size()), kChunkBytes));
  for (std::uint64_t done = 0; done < n;) {
    const std::size_t part = std::min<std::uint64_t>(n - done, kChunkBytes);
    stream.read(chunk_.data(), part);
    seat_of(tensor).device->write(tensor, offset + done, chunk_.data(), part);
    done += part;
  }
  counts_.received_bytes += n;
}

void RpcSession::send_from(const RpcTensor &tensor, std::uint64_t offset, std::uint64_t n,
                           RpcStream &stream) {
  chunk_.resize(std::min<std::uint64_t>(std::max<std::uint64_t>(n, chunk_.size()), kChunkBytes));
  for (std::uint64_t done = 0; done < n;) {
    const std::size_t part = std::min<std::uint64_t>(n - done, kChunkBytes);
    seat_of(tensor).device->read(tensor, offset + done, chunk_.data(), part);
    stream.write(chunk_.data(), part);
    done += part;
  }
  counts_.sent_bytes += n;
}

void RpcSession::set_tensor_hash(RpcStream &stream) {
  const auto request = take<HashRequest>(stream);
  const RpcTensor tensor = placed(request.tensor);
  need_range(tensor, request.offset, 0);
  const std::uint64_t room = tensor.buffer->size - tensor.offset - request.offset;
  bool found = false;
  if (host_.cache != nullptr) {
    RpcDevice &device = *seat_of(tensor).device;
    found = host_.cache->find(request.hash, room,
                              [&](std::uint64_t at, const void *data, std::size_t n) {
                                device.write(tensor, request.offset + at, data, n);
                              });
  }
  counts_.n_cache_hits += found ? 1 : 0;
  reply(static_cast<std::uint8_t>(found ? 1 : 0), stream);
}

void RpcSession::set_tensor_2d(std::uint64_t payload, RpcStream &stream) {
  if (payload < sizeof(Set2dRequest)) {
    throw BadMessage("a message is too short");
  }
  const auto request = take<Set2dRequest>(stream);
  const RpcTensor tensor = placed(request.tensor);
  const std::uint64_t span = span_of(request.size, request.n_copies, request.stride);
  need_range(tensor, request.offset, span);
  if (payload - sizeof(Set2dRequest) != request.size * request.n_copies) {
    throw BadMessage("a transfer is not as long as it says");
  }
  for (std::uint64_t i = 0; i < request.n_copies; ++i) {
    receive_into(tensor, request.offset + i * request.stride, request.size, stream);
  }
}

void RpcSession::memset_tensor(RpcStream &stream) {
  const auto request = take<MemsetRequest>(stream);
  const RpcTensor tensor = placed(request.tensor);
  need_range(tensor, request.offset, request.size);
  chunk_.assign(std::min<std::uint64_t>(request.size, kChunkBytes), std::byte{request.value});
  for (std::uint64_t done = 0; done < request.size;) {
    const std::size_t part = std::min<std::uint64_t>(request.size - done, kChunkBytes);
    seat_of(tensor).device->write(tensor, request.offset + done, chunk_.data(), part);
    done += part;
  }
}

void RpcSession::get_tensor(RpcStream &stream) {
  const auto request = take<RangeRequest>(stream);
  const RpcTensor tensor = placed(request.tensor);
  need_range(tensor, request.offset, request.size);
  const std::uint64_t size = request.size;
  stream.write(&size, sizeof size);
  send_from(tensor, request.offset, size, stream);
}

void RpcSession::get_tensor_2d(RpcStream &stream) {
  const auto request = take<Range2dRequest>(stream);
  const RpcTensor tensor = placed(request.tensor);
  need_range(tensor, request.offset, span_of(request.size, request.n_copies, request.stride));
  const std::uint64_t size = request.size * request.n_copies;
  stream.write(&size, sizeof size);
  for (std::uint64_t i = 0; i < request.n_copies; ++i) {
    send_from(tensor, request.offset + i * request.stride, request.size, stream);
  }
}

void RpcSession::copy_tensor(RpcStream &stream) {
  const RpcTensor from = placed(take<WireTensor>(stream));
  const RpcTensor to = placed(take<WireTensor>(stream));
  // What is not the same kind of thing the client moves itself.
  const bool alike = from.type == to.type && from.ne == to.ne && from.nb == to.nb;
  if (alike && !overlap(from, to)) {
    chunk_.resize(std::min<std::uint64_t>(from.bytes, kChunkBytes));
    for (std::uint64_t done = 0; done < from.bytes;) {
      const std::size_t part = std::min<std::uint64_t>(from.bytes - done, kChunkBytes);
      seat_of(from).device->read(from, done, chunk_.data(), part);
      seat_of(to).device->write(to, done, chunk_.data(), part);
      done += part;
    }
  }
  reply(static_cast<std::uint8_t>(alike && !overlap(from, to) ? 1 : 0), stream);
}

} // namespace llamabox
