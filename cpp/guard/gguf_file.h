// A GGUF file opened for bounded reading: every read and skip is checked against the bytes that are
// left, so a length taken from the file can never make the reader allocate or run past its end.
// Little-endian numbers, one 64 KiB window, no mapping. Also the one way to refuse a file.
// Thread rule: one thread per object. Covered by tests/cpp/gguf_check_test.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace llamabox {

// ERRORS: always throws Error(kLoadFailed) with one sentence: the file's name and what is wrong.
[[noreturn]] void refuse_gguf(const std::string &path, const std::string &what);

// A name from the file, safe to print: quoted, other bytes than printable ASCII replaced, cut at
// 80 characters, so that a message stays one line.
std::string quote_name(std::string_view text);

class GgufFile {
public:
  // ERRORS: kLoadFailed when the path is missing, is no regular file or cannot be read.
  explicit GgufFile(const std::string &path);

  const std::string &path() const { return path_; }
  std::uint64_t size() const { return size_; }
  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return size_ - position_; }

  // `what` names the thing being read, for the message.
  // ERRORS: kLoadFailed when the file ends first.
  void read_bytes(char *out, std::size_t n, std::string_view what);
  void skip(std::uint64_t n, std::string_view what);
  std::uint8_t read_u8(std::string_view what);
  std::uint32_t read_u32(std::string_view what);
  std::uint64_t read_u64(std::string_view what);
  // An unsigned little-endian number of 1, 2, 4 or 8 bytes.
  std::uint64_t read_number(std::uint32_t n_bytes, std::string_view what);
  // A length of at most `limit` bytes, then so many bytes.
  std::string read_string(std::uint64_t limit, std::string_view what);
  // The length of a string, checked against `limit` and the bytes left; the bytes come next.
  std::uint64_t read_string_length(std::uint64_t limit, std::string_view what);

  // ERRORS: kLoadFailed when the position lies beyond the end: the file was changed meanwhile.
  void seek(std::uint64_t position);

private:
  void require(std::uint64_t n, std::string_view what) const;
  void fill_window();

  std::string path_;
  std::ifstream stream_;
  std::vector<char> window_;
  std::uint64_t window_begin_ = 0; // file position of window_[0]
  std::uint64_t window_bytes_ = 0; // valid bytes in window_
  std::uint64_t position_ = 0;
  std::uint64_t size_ = 0;
};

} // namespace llamabox
