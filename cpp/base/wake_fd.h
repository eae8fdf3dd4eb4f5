// A file descriptor that becomes readable when the engine has something for an event loop: an
// eventfd on Linux, a socket pair elsewhere.
// Thread rule: signal from any thread; clear from the thread that watches the descriptor.
// Guarantee: signal never blocks; any number of signals is one readable state until clear().
// Covered by event_channel_test.
#pragma once

namespace llamabox {

class WakeFd {
public:
  WakeFd(); // ERRORS: Error(kInternal) when the process has no descriptor left.
  ~WakeFd();
  WakeFd(const WakeFd &) = delete;
  WakeFd &operator=(const WakeFd &) = delete;

  int fd() const { return read_fd_; }
  void signal();
  void clear();

private:
  int read_fd_;
  int write_fd_;
};

} // namespace llamabox
