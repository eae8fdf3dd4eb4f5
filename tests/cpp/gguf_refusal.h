// For tests of the header check: writes a file, runs the check, and compares what it says. Every
// refusal is also held to the form of all refusals: the right code, one line, the file's name.
// Thread rule: test code, one thread.
#pragma once

#include "base/error.h"
#include "gguf_builder.h"
#include "guard/gguf_check.h"

#include <string>

namespace llamabox::testing {

// The check's sentence for a file that it refuses; "accepted" when it does not. A message that does
// not name the file or is not one line comes back marked, so that every test sees it.
inline std::string refusal_of_path(const std::string &path) {
  try {
    check_gguf(path);
  } catch (const Error &e) {
    const std::string message = e.what();
    if (e.code() != ErrorCode::kLoadFailed) {
      return "WRONG CODE: " + message;
    }
    if (message.find('\n') != std::string::npos) {
      return "TWO LINES: " + message;
    }
    if (message.find(".gguf") == std::string::npos) {
      return "NO FILE NAME: " + message;
    }
    return message;
  }
  return "accepted";
}

inline std::string refusal_of_bytes(const std::string &bytes) {
  const ScratchFolder folder;
  write_file(folder.file("model.gguf"), bytes);
  return refusal_of_path(folder.file("model.gguf"));
}

inline std::string refusal_of(const GgufBuilder &builder) {
  return refusal_of_bytes(builder.bytes());
}

} // namespace llamabox::testing

// Fails with the whole message when the file is accepted or refused for another reason.
#define CHECK_REFUSED(builder, part)                                                               \
  do {                                                                                             \
    const std::string llamabox_said = llamabox::testing::refusal_of(builder);                      \
    INFO(llamabox_said);                                                                           \
    CHECK(llamabox_said.find(part) != std::string::npos);                                          \
    CHECK(llamabox_said.rfind("cannot load model file", 0) == 0);                                  \
  } while (false)
