#include "guard/gguf_file.h"

#include "base/error.h"
#include "base/file_path.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace llamabox {

namespace {

constexpr std::size_t kWindowBytes = 64 * 1024;
constexpr std::size_t kMaxQuotedChars = 80;

} // namespace

void refuse_gguf(const std::string &path, const std::string &what) {
  throw Error(ErrorCode::kLoadFailed, "cannot load model file '" + path + "': " + what);
}

std::string quote_name(std::string_view text) {
  std::string out = "'";
  for (const char c : text.substr(0, kMaxQuotedChars)) {
    out += (c >= 0x20 && c < 0x7f) ? c : '?';
  }
  out += text.size() > kMaxQuotedChars ? "...'" : "'";
  return out;
}

GgufFile::GgufFile(const std::string &path) : path_(path) {
  std::error_code ec;
  const std::filesystem::path file = path_of(path);
  const std::filesystem::file_status status = std::filesystem::status(file, ec);
  if (status.type() == std::filesystem::file_type::not_found) {
    refuse_gguf(path, "there is no such file");
  }
  if (ec) {
    refuse_gguf(path, ec.message());
  }
  // Opening a pipe would block for ever, and a device has no size to check lengths against.
  if (!std::filesystem::is_regular_file(status)) {
    refuse_gguf(path, std::filesystem::is_directory(status) ? "it is a directory"
                                                            : "it is not a regular file");
  }
  size_ = std::filesystem::file_size(file, ec);
  if (ec) {
    refuse_gguf(path, ec.message());
  }
  stream_.open(file, std::ios::binary);
  if (!stream_) {
    refuse_gguf(path, "it cannot be opened for reading");
  }
}

void GgufFile::require(std::uint64_t n, std::string_view what) const {
  if (n > remaining()) {
    refuse_gguf(path_, "the file is truncated: it ends inside " + std::string(what) + " (" +
                           std::to_string(n) + " bytes wanted at byte " +
                           std::to_string(position_) + ", " + std::to_string(remaining()) +
                           " left)");
  }
}

void GgufFile::fill_window() {
  if (window_.empty()) {
    window_.resize(kWindowBytes);
  }
  window_begin_ = position_;
  window_bytes_ = std::min<std::uint64_t>(kWindowBytes, remaining());
  stream_.clear();
  stream_.seekg(static_cast<std::streamoff>(position_));
  stream_.read(window_.data(), static_cast<std::streamsize>(window_bytes_));
  if (!stream_) {
    refuse_gguf(path_, "reading failed at byte " + std::to_string(position_));
  }
}

void GgufFile::read_bytes(char *out, std::size_t n, std::string_view what) {
  require(n, what);
  while (n > 0) {
    if (position_ < window_begin_ || position_ >= window_begin_ + window_bytes_) {
      fill_window();
    }
    const std::uint64_t at = position_ - window_begin_;
    const std::size_t chunk =
        static_cast<std::size_t>(std::min<std::uint64_t>(n, window_bytes_ - at));
    std::memcpy(out, window_.data() + at, chunk);
    out += chunk;
    n -= chunk;
    position_ += chunk;
  }
}

void GgufFile::skip(std::uint64_t n, std::string_view what) {
  require(n, what);
  position_ += n;
}

void GgufFile::seek(std::uint64_t position) {
  if (position > size_) {
    refuse_gguf(path_, "the file became shorter while it was read");
  }
  position_ = position;
}

std::uint64_t GgufFile::read_number(std::uint32_t n_bytes, std::string_view what) {
  std::array<char, 8> bytes{};
  read_bytes(bytes.data(), n_bytes, what);
  std::uint64_t value = 0;
  for (std::uint32_t i = n_bytes; i-- > 0;) {
    value = (value << 8U) | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

std::uint8_t GgufFile::read_u8(std::string_view what) {
  return static_cast<std::uint8_t>(read_number(1, what));
}

std::uint32_t GgufFile::read_u32(std::string_view what) {
  return static_cast<std::uint32_t>(read_number(4, what));
}

std::uint64_t GgufFile::read_u64(std::string_view what) { return read_number(8, what); }

std::uint64_t GgufFile::read_string_length(std::uint64_t limit, std::string_view what) {
  const std::uint64_t length = read_u64(what);
  if (length > limit) {
    refuse_gguf(path_, std::string(what) + " is " + std::to_string(length) +
                           " bytes long, at most " + std::to_string(limit) + " are allowed");
  }
  require(length, what);
  return length;
}

std::string GgufFile::read_string(std::uint64_t limit, std::string_view what) {
  std::string text(static_cast<std::size_t>(read_string_length(limit, what)), '\0');
  read_bytes(text.data(), text.size(), what);
  return text;
}

} // namespace llamabox
