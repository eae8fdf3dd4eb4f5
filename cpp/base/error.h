// The one error type of the C++ side: a code that the Python shell maps to a status, a sentence
// for the user, and the name of the request field or option at fault (empty when there is none).
// Thread rule: plain value. Covered by bind_errors' tests and by every test of a refusal.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace llamabox {

enum class ErrorCode : std::uint8_t {
  kNone,             // no error; the value in an event that ends well
  kInvalidArgument,  // a value of the request is wrong
  kContextExceeded,  // the prompt does not fit the context
  kQueueFull,        // try again later
  kNotFound,         // what the request names does not exist
  kUnsupported,      // the model or build cannot do this
  kUnavailable,      // the engine is stopping
  kDeadlineExceeded, // the request's own time limit passed
  kDeviceLost,       // the machine that a part of the model is on is gone
  kLoadFailed,       // a file is missing, malformed or not usable
  kInternal,         // a broken invariant or a failed computation
};

class Error : public std::runtime_error {
public:
  Error(ErrorCode code, const std::string &message, std::string param = {})
      : std::runtime_error(message), code_(code), param_(std::move(param)) {}

  ErrorCode code() const { return code_; }
  const std::string &param() const { return param_; }

private:
  ErrorCode code_;
  std::string param_;
};

} // namespace llamabox
