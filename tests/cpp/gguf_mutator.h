// Makes damaged copies of a valid GGUF file, the same ones for the same seed on every machine. Half
// of the damage is aimed: values, lengths and counts that the header holds, set to extremes or to
// small numbers; the rest is blind: flipped bits, overwritten bytes, cuts, splices, insertions.
// Thread rule: test code, one thread per object. Used by gguf_fuzz_test.cpp and gguf_mutate.cpp.
#pragma once

#include "guard/gguf_header.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace llamabox::testing {

class GgufMutator {
public:
  // REQUIRES: `bytes` are those of the file whose header this is.
  GgufMutator(std::string bytes, const GgufHeader &header, std::uint64_t seed)
      : original_(std::move(bytes)), header_bytes_(static_cast<std::size_t>(header.data_position)),
        random_(seed) {
    fields_ = {{4, 4}, {8, 8}, {16, 8}}; // version, number of tensors, number of keys
    for (const auto &[key, value] : header.values) {
      const std::uint32_t n_bytes = gguf_value_bytes(value.type);
      if (n_bytes > 0) {
        fields_.push_back({value.position, n_bytes});
        fields_.push_back({value.position - 4, 4}); // the type
      } else {
        fields_.push_back({value.position - 8, 8}); // the length of a string or an array
        fields_.push_back({value.position, 4});     // first elements
      }
    }
    // A map's order is not the same everywhere; the order of the fields must be.
    std::sort(fields_.begin(), fields_.end(),
              [](const Field &a, const Field &b) { return a.position < b.position; });
  }

  // A copy with one to four changes.
  std::string next() {
    std::string bytes = original_;
    for (std::uint64_t n = 1 + below(4); n > 0; --n) {
      if (below(2) == 0) {
        set_field(bytes);
      } else {
        damage(bytes);
      }
    }
    return bytes;
  }

private:
  struct Field {
    std::uint64_t position;
    std::uint32_t n_bytes;
  };

  std::uint64_t below(std::uint64_t limit) { return limit == 0 ? 0 : random_() % limit; }

  std::uint64_t number() {
    constexpr std::array<std::uint64_t, 14> kExtremes = {
        0,           1,           0x7f,        0xff,        0x7fff'ffff,
        0x8000'0000, 0xffff'ffff, 1ULL << 32U, 1ULL << 40U, 0x7fff'ffff'ffff'ffff,
        1ULL << 63U, ~0ULL,       ~0ULL - 31,  1ULL << 61U};
    switch (below(3)) {
    case 0:
      return kExtremes[below(kExtremes.size())];
    case 1:
      return below(64);
    default:
      return random_();
    }
  }

  static void put(std::string &bytes, std::uint64_t position, std::uint64_t value,
                  std::uint32_t n_bytes) {
    for (std::uint32_t i = 0; i < n_bytes && position + i < bytes.size(); ++i) {
      bytes[position + i] = static_cast<char>((value >> (8 * i)) & 0xffU);
    }
  }

  void set_field(std::string &bytes) {
    const Field field = fields_[below(fields_.size())];
    put(bytes, field.position, number(), field.n_bytes);
  }

  // A place in the header nearly always, else in the tensor data.
  std::uint64_t place(const std::string &bytes) {
    const std::uint64_t end = below(16) == 0 ? bytes.size() : header_bytes_;
    return below(std::min<std::uint64_t>(end, bytes.size()));
  }

  void damage(std::string &bytes) {
    if (bytes.empty()) {
      return;
    }
    const std::uint64_t at = place(bytes);
    const std::uint64_t kind = below(12);
    if (kind < 3) {
      bytes[at] = static_cast<char>(bytes[at] ^ static_cast<char>(1U << below(8)));
    } else if (kind < 6) {
      bytes[at] = static_cast<char>(random_() & 0xffU);
    } else if (kind < 8) {
      put(bytes, at, number(), below(2) == 0 ? 4 : 8);
    } else if (kind == 8) {
      bytes.resize(at);
    } else if (kind == 9) {
      const std::uint64_t from = place(bytes);
      bytes.insert(at, bytes.substr(from, below(64)));
    } else if (kind == 10) {
      bytes.erase(at, below(64));
    } else {
      const std::uint64_t from = place(bytes);
      const std::string piece = bytes.substr(from, below(64));
      bytes.replace(at, piece.size(), piece);
    }
  }

  std::string original_;
  std::size_t header_bytes_;
  std::mt19937_64 random_;
  std::vector<Field> fields_;
};

} // namespace llamabox::testing
