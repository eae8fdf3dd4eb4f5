#include "engine/output.h"

#include <algorithm>

namespace llamabox {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// Length that the first byte of a character promises; 0 when it cannot begin one.
std::size_t promised_length(unsigned char first) {
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xC2 && first <= 0xDF) {
    return 2;
  }
  if (first >= 0xE0 && first <= 0xEF) {
    return 3;
  }
  return first >= 0xF0 && first <= 0xF4 ? 4 : 0;
}

// Second bytes that would be an overlong form, a surrogate or beyond U+10FFFF are refused.
bool second_byte_fits(unsigned char first, unsigned char second) {
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  return second >= low && second <= high;
}

// Bytes of `text` from the start that are a well-formed beginning of one character.
std::size_t well_formed_length(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t promised = promised_length(first);
  std::size_t n = promised == 0 ? 0 : 1;
  while (n < promised && n < text.size()) {
    const auto byte = static_cast<unsigned char>(text[n]);
    if (n == 1 ? !second_byte_fits(first, byte) : (byte & 0xC0) != 0x80) {
      break;
    }
    ++n;
  }
  return n;
}

// Length of the longest end of `text` that is a proper beginning of `stop`.
std::size_t n_overlap(std::string_view text, std::string_view stop) {
  for (std::size_t n = std::min(text.size(), stop.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == stop.substr(0, n)) {
      return n;
    }
  }
  return 0;
}

} // namespace

std::size_t n_incomplete_utf8(std::string_view text) {
  for (std::size_t n = 1; n <= std::min<std::size_t>(3, text.size()); ++n) {
    const std::string_view tail = text.substr(text.size() - n);
    if ((static_cast<unsigned char>(tail[0]) & 0xC0) == 0x80) {
      continue; // in the middle of a character
    }
    const bool incomplete =
        promised_length(static_cast<unsigned char>(tail[0])) > n && well_formed_length(tail) == n;
    return incomplete ? n : 0;
  }
  return 0;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t n = well_formed_length(text);
    const bool whole = n > 0 && n == promised_length(static_cast<unsigned char>(text[0]));
    out += whole ? text.substr(0, n) : kReplacement;
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

bool TextAssembler::feed(std::string_view bytes) {
  if (stopped_) {
    return true;
  }
  const std::size_t n_before = held_.size();
  held_ += bytes;
  std::size_t first = std::string::npos;
  for (const std::string &stop : stop_) {
    const std::size_t from = n_before < stop.size() ? 0 : n_before - stop.size() + 1;
    const std::size_t found = held_.find(stop, from);
    if (found < first) {
      first = found;
      stop_word_ = stop;
    }
  }
  if (first != std::string::npos) {
    held_.resize(first);
    stopped_ = true;
  }
  return stopped_;
}

std::size_t TextAssembler::n_showable() const {
  std::size_t n_hidden = n_incomplete_utf8(held_);
  if (!stopped_) {
    for (const std::string &stop : stop_) {
      n_hidden = std::max(n_hidden, n_overlap(held_, stop));
    }
  }
  return held_.size() - n_hidden;
}

std::string TextAssembler::take() {
  const std::size_t n = n_showable();
  std::string shown = valid_utf8(std::string_view(held_).substr(0, n));
  held_.erase(0, n);
  return shown;
}

std::string TextAssembler::finish() {
  std::string rest = valid_utf8(held_);
  held_.clear();
  return rest;
}

} // namespace llamabox
