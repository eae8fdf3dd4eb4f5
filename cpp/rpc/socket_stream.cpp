#include "rpc/socket_stream.h"

#include "rpc/sockets.h"

#include <algorithm>
#include <cstring>
#include <limits>

namespace llamabox {
namespace {

constexpr std::size_t kBufferBytes = 65536;
constexpr std::chrono::milliseconds kStall{60000};

} // namespace

SocketStream::SocketStream(int fd) : fd_(fd), input_(kBufferBytes), stall_(kStall) {
  output_.reserve(kBufferBytes);
  sockets::set_stream_options(fd);
}

SocketStream::~SocketStream() { sockets::close_socket(fd_); }

void SocketStream::set_deadline(Limit limit) {
  deadline_.reset();
  if (limit) {
    deadline_ = std::chrono::steady_clock::now() + *limit;
  }
}

void SocketStream::set_stall(std::chrono::milliseconds limit) { stall_ = limit; }

SocketStream::Limit SocketStream::read_limit() const {
  if (!deadline_) {
    return stall_;
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      *deadline_ - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds{0});
}

void SocketStream::wait_for(short events, Limit wait) const {
  constexpr std::int64_t kLongest = std::numeric_limits<int>::max();
  const int ms = wait ? static_cast<int>(std::min<std::int64_t>(wait->count(), kLongest)) : -1;
  pollfd entry = sockets::entry_of(fd_, events);
  const int n = sockets::wait_for_sockets(&entry, 1, ms);
  if (n == 0) {
    throw Disconnected("timeout");
  }
  const int error = n < 0 ? sockets::last_error() : 0;
  if (error != 0 && !sockets::means_interrupted(error)) {
    throw Disconnected(sockets::words_of(error));
  }
}

// What a call that did nothing calls for: to wait, to try again, or to give up.
void SocketStream::wait_after(int error, short events, Limit wait) const {
  if (sockets::means_again(error)) {
    wait_for(events, wait);
  } else if (!sockets::means_interrupted(error)) {
    throw Disconnected(sockets::words_of(error));
  }
}

std::size_t SocketStream::receive(void *data, std::size_t n, Limit wait) {
  while (true) {
    const std::ptrdiff_t got = sockets::receive_some(fd_, data, n);
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    wait_after(sockets::last_error(), POLLIN, wait);
  }
}

bool SocketStream::read_command(std::uint8_t &command, Limit idle) {
  if (input_begin_ == input_end_) {
    input_begin_ = 0;
    input_end_ = receive(input_.data(), input_.size(), idle);
    if (input_end_ == 0) {
      return false;
    }
  }
  command = static_cast<std::uint8_t>(input_[input_begin_++]);
  return true;
}

void SocketStream::read(void *data, std::size_t n) {
  char *target = static_cast<char *>(data);
  while (n > 0) {
    std::size_t part = std::min(n, input_end_ - input_begin_);
    if (part > 0) {
      std::memcpy(target, input_.data() + input_begin_, part);
      input_begin_ += part;
    } else if (n >= input_.size()) {
      part = receive(target, n, read_limit());
      if (part == 0) {
        throw Disconnected("closed within a message");
      }
    } else {
      input_begin_ = 0;
      input_end_ = receive(input_.data(), input_.size(), read_limit());
      if (input_end_ == 0) {
        throw Disconnected("closed within a message");
      }
    }
    target += part;
    n -= part;
  }
}

void SocketStream::write(const void *data, std::size_t n) {
  const char *bytes = static_cast<const char *>(data);
  if (output_.size() + n > kBufferBytes) {
    flush();
  }
  if (n > kBufferBytes) {
    send_all(bytes, n);
  } else {
    output_.insert(output_.end(), bytes, bytes + n);
  }
}

bool SocketStream::peer_left() const { return sockets::peer_left(fd_); }

void SocketStream::flush() {
  send_all(output_.data(), output_.size());
  output_.clear();
}

void SocketStream::send_all(const char *data, std::size_t n) {
  while (n > 0) {
    const std::ptrdiff_t sent = sockets::send_some(fd_, data, n);
    if (sent >= 0) {
      data += sent;
      n -= static_cast<std::size_t>(sent);
    } else {
      wait_after(sockets::last_error(), POLLOUT, stall_);
    }
  }
}

} // namespace llamabox
