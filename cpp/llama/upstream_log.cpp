#include "llama/upstream_log.h"

#include "llama/device.h"

#include "llama.h"
#include "log.h"
#include "mtmd.h"

#include <mutex>
#include <utility>

namespace llamabox {
namespace {

thread_local LogCapture *active_capture = nullptr;

struct Sink {
  std::mutex mutex;
  LogLevel least = LogLevel::kError;
  std::function<void(LogLevel, const std::string &)> write;
};

Sink &sink() {
  // Never destroyed: upstream may log from static destructors and from threads that end late.
  static Sink *const kInstance = new Sink;
  return *kInstance;
}

LogLevel level_of(ggml_log_level level) {
  switch (level) {
  case GGML_LOG_LEVEL_ERROR:
    return LogLevel::kError;
  case GGML_LOG_LEVEL_WARN:
    return LogLevel::kWarn;
  case GGML_LOG_LEVEL_INFO:
    return LogLevel::kInfo;
  default:
    return LogLevel::kDebug;
  }
}

// Upstream writes some lines in pieces; the first piece has the level, the others say "continue".
// The pieces of one line come from one thread.
void on_log(ggml_log_level level, const char *text, void * /*user*/) {
  thread_local std::string pending;
  thread_local ggml_log_level pending_level = GGML_LOG_LEVEL_NONE;
  if (level != GGML_LOG_LEVEL_CONT) {
    pending.clear();
    pending_level = level;
  }
  pending += text;
  if (pending.empty() || pending.back() != '\n') {
    return;
  }
  pending.pop_back();
  const std::string line = std::exchange(pending, {});
  if (pending_level == GGML_LOG_LEVEL_ERROR) {
    capture_error_line(line);
  }
  Sink &to = sink();
  const std::lock_guard<std::mutex> lock(to.mutex);
  const LogLevel ours = level_of(pending_level);
  if (to.write && ours >= to.least && !line.empty()) {
    to.write(ours, line);
  }
}

} // namespace

void install_log_callback() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(on_log, nullptr);
    mtmd_log_set(on_log, nullptr);
    // The common library prints by a thread of its own; what it has to say arrives as exceptions.
    common_log_set_verbosity_thold(LOG_LEVEL_OUTPUT - 1);
  });
}

void set_log_sink(LogLevel least, std::function<void(LogLevel, const std::string &)> write) {
  install_log_callback();
  Sink &to = sink();
  const std::lock_guard<std::mutex> lock(to.mutex);
  to.least = least;
  to.write = std::move(write);
}

LogCapture::LogCapture() { active_capture = this; }

LogCapture::~LogCapture() { active_capture = nullptr; }

void capture_error_line(const std::string &line) {
  if (active_capture == nullptr || !active_capture->first_error_.empty()) {
    return;
  }
  const std::size_t colon = line.find(": ");
  const bool has_function = colon != std::string::npos && line.find(' ') == colon + 1;
  active_capture->first_error_ = has_function ? line.substr(colon + 2) : line;
}

} // namespace llamabox
