// What wakes an event loop from threads that may not enter it: a descriptor that becomes readable
// when the engine has something, which is an eventfd on Linux and a pair of connected sockets
// elsewhere; and lines for the loop to read.
// Thread rule: signal from any thread; clear from the thread that watches the descriptor.
// Guarantee: signal never blocks; any number of signals is one readable state until clear().
// Covered by base_test.
#pragma once

#include <cstdint>
#include <string_view>

namespace llamabox {

class WakeFd {
public:
  enum class Kind : std::uint8_t { kEventFd, kSocketPair };

  // What this system has; with LLAMABOX_STOCK_IO in the environment, what every system has.
  static Kind default_kind();

  // ERRORS: Error(kInternal) when the process has no descriptor left, or the system no eventfd.
  explicit WakeFd(Kind kind = default_kind());
  ~WakeFd();
  WakeFd(const WakeFd &) = delete;
  WakeFd &operator=(const WakeFd &) = delete;

  int fd() const { return read_fd_; }
  void signal();
  void clear();

private:
  int read_fd_ = -1;
  int write_fd_ = -1; // the same for an eventfd
};

// Writes to a non-blocking descriptor that a loop reads. A full one drops the line.
void write_line(int fd, std::string_view line);

} // namespace llamabox
