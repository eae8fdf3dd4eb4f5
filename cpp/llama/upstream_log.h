// Where upstream's log lines pass through, and how a load failure gets its reason: upstream returns
// null and only logs why.
// Thread rule: any thread; a LogCapture sees the lines of its own thread.
// Guarantee: without a sink nothing is printed. Covered by device_test and load_test.
#pragma once

#include <string>

namespace llamabox {

// Takes over upstream's log functions. Idempotent.
void install_log_callback();

// Remembers the first error line that upstream logs on this thread while the object lives.
// REQUIRES: at most one per thread at a time.
class LogCapture {
public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture &) = delete;
  LogCapture &operator=(const LogCapture &) = delete;

  // Without the function name upstream puts in front; empty when there was no error.
  const std::string &first_error() const { return first_error_; }

private:
  friend void capture_error_line(const std::string &line);
  std::string first_error_;
};

void capture_error_line(const std::string &line);

} // namespace llamabox
