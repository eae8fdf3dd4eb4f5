// Model files that live as long as a test: any bytes, or the demo model with a value overwritten in
// place (a GGUF has no checksums, so a text of the same length is all it takes).
// Thread rule: test code, one thread. Covered by its users.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

namespace llamabox {

class TempFile {
public:
  explicit TempFile(const std::string &bytes) {
    char name[] = "/tmp/llamabox_test_XXXXXX";
    const int fd = mkstemp(name);
    REQUIRE(fd >= 0);
    path_ = name;
    std::ofstream(path_, std::ios::binary) << bytes;
    std::fclose(fdopen(fd, "r"));
  }
  ~TempFile() { std::remove(path_.c_str()); }
  TempFile(const TempFile &) = delete;
  TempFile &operator=(const TempFile &) = delete;
  const std::string &path() const { return path_; }

private:
  std::string path_;
};

inline std::string bytes_of(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Where the value of a key begins: after the key's text and four bytes of type.
inline std::size_t value_of(const std::string &gguf, const std::string &key) {
  const std::size_t at = gguf.find(key);
  REQUIRE(at != std::string::npos);
  return at + key.size() + 4;
}

inline void set_add_bos(std::string &gguf) {
  gguf[value_of(gguf, "tokenizer.ggml.add_bos_token")] = 1;
}

// The rest of the old template's length becomes a comment.
inline void set_template(std::string &gguf, const std::string &source) {
  const std::size_t at = value_of(gguf, "tokenizer.chat_template");
  std::size_t length = 0;
  for (std::size_t i = 0; i < 8; ++i) {
    length |= static_cast<std::size_t>(static_cast<unsigned char>(gguf[at + i])) << (8 * i);
  }
  REQUIRE(source.size() + 4 <= length);
  const std::string fill = "{#" + std::string(length - source.size() - 4, ' ') + "#}";
  gguf.replace(at + 8, length, source + fill);
}

inline void drop_template(std::string &gguf) {
  const std::string key = "tokenizer.chat_template";
  const std::size_t at = gguf.find(key);
  REQUIRE(at != std::string::npos);
  gguf.replace(at, key.size(), "tokenizer.xhat_template");
}

} // namespace llamabox
