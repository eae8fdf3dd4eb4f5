#include "base/wake_fd.h"

#include "base/error.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>
#include <unistd.h>

#ifdef __linux__
#include <sys/eventfd.h>
#else
#include <fcntl.h>
#include <sys/socket.h>
#endif

namespace llamabox {

WakeFd::WakeFd() {
#ifdef __linux__
  read_fd_ = write_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  const bool failed = read_fd_ < 0;
#else
  int pair[2] = {-1, -1};
  const bool failed = ::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0;
  for (const int fd : pair) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  read_fd_ = pair[0];
  write_fd_ = pair[1];
#endif
  if (failed) {
    throw Error(ErrorCode::kInternal, std::string("no wake descriptor: ") + std::strerror(errno));
  }
}

WakeFd::~WakeFd() {
  ::close(read_fd_);
  if (write_fd_ != read_fd_) {
    ::close(write_fd_);
  }
}

void WakeFd::signal() {
  // A full counter or socket buffer already means "readable", so the result does not matter.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(write_fd_, &one, sizeof one);
}

void WakeFd::clear() {
  std::uint64_t sink[8];
  while (::read(read_fd_, sink, sizeof sink) == static_cast<ssize_t>(sizeof sink)) {
  }
}

} // namespace llamabox
