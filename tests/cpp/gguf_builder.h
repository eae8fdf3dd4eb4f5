// Writes small GGUF files for tests, byte by byte, so that a test can break exactly one rule. The
// counts in the header follow from what was added unless a test overrides them. tiny_model() is a
// complete text model that passes every check; set_*() replaces a key that is already there.
// Thread rule: test code, one thread.
#pragma once

#include "guard/gguf_types.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace llamabox::testing {

inline std::string little_endian(std::uint64_t value, std::uint32_t n_bytes) {
  std::string out;
  for (std::uint32_t i = 0; i < n_bytes; ++i) {
    out += static_cast<char>((value >> (8 * i)) & 0xffU);
  }
  return out;
}

inline std::string u32(std::uint64_t value) { return little_endian(value, 4); }
inline std::string u64(std::uint64_t value) { return little_endian(value, 8); }
inline std::string text(const std::string &value) { return u64(value.size()) + value; }

struct BuiltTensor {
  std::string name;
  std::vector<std::uint64_t> dims;
  std::uint32_t type = 0;
  std::uint64_t n_bytes = 0;           // of data that the file carries
  std::optional<std::uint64_t> offset; // instead of the right one
  std::optional<std::uint32_t> n_dims; // instead of dims.size()
};

class GgufBuilder {
public:
  std::uint32_t version = 3;
  std::uint32_t alignment = 32; // used for the layout; the key is written by set_alignment only
  std::optional<std::uint64_t> n_keys;
  std::optional<std::uint64_t> n_tensors;
  std::string magic = "GGUF";
  std::vector<BuiltTensor> tensors;

  GgufBuilder &set_raw(const std::string &key, std::uint32_t type, const std::string &value) {
    for (auto &[name, bytes] : keys_) {
      if (name == key) {
        bytes = u32(type) + value;
        return *this;
      }
    }
    return append_raw(key, type, value);
  }
  // Appends even when the key is already there.
  GgufBuilder &append_raw(const std::string &key, std::uint32_t type, const std::string &value) {
    keys_.emplace_back(key, u32(type) + value);
    return *this;
  }
  GgufBuilder &erase(const std::string &key) {
    std::erase_if(keys_, [&](const auto &entry) { return entry.first == key; });
    return *this;
  }
  GgufBuilder &set_u16(const std::string &key, std::uint32_t v) {
    return set_raw(key, number(GgufValueType::kUint16), little_endian(v, 2));
  }
  GgufBuilder &set_u32(const std::string &key, std::uint32_t v) {
    return set_raw(key, number(GgufValueType::kUint32), u32(v));
  }
  GgufBuilder &set_i32(const std::string &key, std::int32_t v) {
    return set_raw(key, number(GgufValueType::kInt32), u32(static_cast<std::uint32_t>(v)));
  }
  GgufBuilder &set_f32(const std::string &key, float v) {
    return set_raw(key, number(GgufValueType::kFloat32), u32(std::bit_cast<std::uint32_t>(v)));
  }
  GgufBuilder &set_bool(const std::string &key, bool v) {
    return set_raw(key, number(GgufValueType::kBool), std::string(1, v ? '\1' : '\0'));
  }
  GgufBuilder &set_string(const std::string &key, const std::string &v) {
    return set_raw(key, number(GgufValueType::kString), text(v));
  }
  GgufBuilder &set_strings(const std::string &key, const std::vector<std::string> &values) {
    std::string bytes = u32(number(GgufValueType::kString)) + u64(values.size());
    for (const std::string &value : values) {
      bytes += text(value);
    }
    return set_raw(key, number(GgufValueType::kArray), bytes);
  }
  // An array of 4-byte numbers: u32, i32, or the bits of f32.
  GgufBuilder &set_words(const std::string &key, GgufValueType type,
                         const std::vector<std::uint32_t> &values) {
    std::string bytes = u32(number(type)) + u64(values.size());
    for (const std::uint32_t value : values) {
      bytes += u32(value);
    }
    return set_raw(key, number(GgufValueType::kArray), bytes);
  }
  GgufBuilder &set_alignment(std::uint32_t value) {
    alignment = value;
    return set_u32("general.alignment", value);
  }

  GgufBuilder &add_tensor(const std::string &name, std::vector<std::uint64_t> dims,
                          std::uint32_t type = kGgmlTypeF32) {
    const GgmlTypeInfo *info = find_ggml_type(type);
    std::uint64_t n = 1;
    for (const std::uint64_t dim : dims) {
      n *= dim;
    }
    const std::uint64_t n_bytes = info == nullptr ? 0 : n / info->block_length * info->block_bytes;
    tensors.push_back({name, std::move(dims), type, n_bytes, {}, {}});
    return *this;
  }
  BuiltTensor &tensor(const std::string &name) {
    return *std::find_if(tensors.begin(), tensors.end(),
                         [&](const BuiltTensor &t) { return t.name == name; });
  }

  // The file up to the data section, without padding.
  std::string header() const {
    std::string out = magic + u32(version) + u64(n_tensors.value_or(tensors.size())) +
                      u64(n_keys.value_or(keys_.size()));
    for (const auto &[key, bytes] : keys_) {
      out += text(key) + bytes;
    }
    std::uint64_t offset = 0;
    for (const BuiltTensor &t : tensors) {
      out += text(t.name) + u32(t.n_dims.value_or(static_cast<std::uint32_t>(t.dims.size())));
      for (const std::uint64_t dim : t.dims) {
        out += u64(dim);
      }
      out += u32(t.type) + u64(t.offset.value_or(offset));
      offset += padded(t.n_bytes);
    }
    return out;
  }

  std::string bytes() const {
    std::string out = header();
    out.resize(padded(out.size()), '\0');
    for (const BuiltTensor &t : tensors) {
      out.resize(out.size() + padded(t.n_bytes), '\1');
    }
    return out;
  }

private:
  static std::uint32_t number(GgufValueType type) { return static_cast<std::uint32_t>(type); }
  std::uint64_t padded(std::uint64_t n) const {
    return (n + alignment - 1) / alignment * alignment;
  }

  std::vector<std::pair<std::string, std::string>> keys_;
};

// Keys and tensors of a llama model with 2 layers, 2 query heads that share 1 key/value head of 16,
// and a vocabulary of 16 tokens.
inline GgufBuilder tiny_model() {
  GgufBuilder b;
  b.set_string("general.architecture", "llama");
  b.set_u32("llama.context_length", 64).set_u32("llama.embedding_length", 32);
  b.set_u32("llama.block_count", 2).set_u32("llama.feed_forward_length", 64);
  b.set_u32("llama.attention.head_count", 2).set_u32("llama.attention.head_count_kv", 1);
  b.set_u32("llama.rope.dimension_count", 16).set_f32("llama.rope.freq_base", 10000.0F);
  b.set_f32("llama.attention.layer_norm_rms_epsilon", 1e-5F);
  std::vector<std::string> tokens;
  for (int i = 0; i < 16; ++i) {
    tokens.push_back("t" + std::to_string(i));
  }
  b.set_string("tokenizer.ggml.model", "gpt2").set_string("tokenizer.ggml.pre", "qwen2");
  b.set_strings("tokenizer.ggml.tokens", tokens).set_strings("tokenizer.ggml.merges", {"t 1"});
  b.set_words("tokenizer.ggml.token_type", GgufValueType::kInt32,
              std::vector<std::uint32_t>(tokens.size(), 1));
  b.set_u32("tokenizer.ggml.bos_token_id", 1).set_u32("tokenizer.ggml.eos_token_id", 2);
  b.add_tensor("token_embd.weight", {32, 16}, 8).add_tensor("output_norm.weight", {32});
  for (int il = 0; il < 2; ++il) {
    const std::string block = "blk." + std::to_string(il) + ".";
    b.add_tensor(block + "attn_norm.weight", {32}).add_tensor(block + "attn_q.weight", {32, 32}, 1);
    b.add_tensor(block + "attn_k.weight", {32, 16}, 1);
    b.add_tensor(block + "attn_v.weight", {32, 16}, 1);
    b.add_tensor(block + "attn_output.weight", {32, 32}, 1);
    b.add_tensor(block + "ffn_norm.weight", {32}).add_tensor(block + "ffn_gate.weight", {32, 64});
    b.add_tensor(block + "ffn_up.weight", {32, 64}).add_tensor(block + "ffn_down.weight", {64, 32});
  }
  return b;
}

inline void write_file(const std::filesystem::path &path, const std::string &bytes) {
  // A new file each time: some file systems flush one that is truncated and rewritten, which would
  // make tests with thousands of files wait for the disk.
  std::filesystem::remove(path);
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A folder of its own under the system's temporary folder, removed at the end.
class ScratchFolder {
public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "llamabox-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
  }
  ~ScratchFolder() {
    std::error_code ec;
    std::filesystem::remove_all(path_, ec);
  }
  ScratchFolder(const ScratchFolder &) = delete;
  ScratchFolder &operator=(const ScratchFolder &) = delete;
  std::string file(const std::string &name) const { return (path_ / name).string(); }

private:
  std::filesystem::path path_;
};

} // namespace llamabox::testing
