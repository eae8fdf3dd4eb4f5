#include "rpc/socket_stream.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace llamabox {
namespace {

constexpr std::size_t kBufferBytes = 65536;
constexpr std::chrono::milliseconds kStall{60000};

void set_option(int fd, int level, int name, int value) {
  // A socket of another family has no such option, and needs none.
  static_cast<void>(setsockopt(fd, level, name, &value, sizeof value));
}

} // namespace

SocketStream::SocketStream(int fd) : fd_(fd), input_(kBufferBytes), stall_(kStall) {
  output_.reserve(kBufferBytes);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // A model in use may be silent for days; a peer that is gone is noticed all the same.
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
#endif
}

SocketStream::~SocketStream() { close(fd_); }

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
  pollfd entry{fd_, events, 0};
  const int n = poll(&entry, 1, ms);
  if (n == 0) {
    throw Disconnected("timeout");
  }
  if (n < 0 && errno != EINTR) {
    throw Disconnected(std::strerror(errno));
  }
}

std::size_t SocketStream::receive(void *data, std::size_t n, Limit wait) {
  while (true) {
    const ssize_t got = recv(fd_, data, n, MSG_DONTWAIT);
    if (got >= 0) {
      return static_cast<std::size_t>(got);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_for(POLLIN, wait);
    } else if (errno != EINTR) {
      throw Disconnected(std::strerror(errno));
    }
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

void SocketStream::flush() {
  send_all(output_.data(), output_.size());
  output_.clear();
}

void SocketStream::send_all(const char *data, std::size_t n) {
  while (n > 0) {
    const ssize_t sent = send(fd_, data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) {
      data += sent;
      n -= static_cast<std::size_t>(sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_for(POLLOUT, stall_);
    } else if (errno != EINTR) {
      throw Disconnected(std::strerror(errno));
    }
  }
}

} // namespace llamabox
