// Weights kept on disk, so that a model loaded again need not cross the network again. A file is
// found by the protocol's short hash and believed by its SHA-256: one that does not match is
// removed and counts as missing.
// Thread rule: any; files appear whole, by rename. Guarantee: the folder holds at most the limit
// beyond a file in the making; the file not used for longest goes first. A disk that fails means
// that nothing is kept, never an error. Covered by rpc_cache_test.
#pragma once

#include "rpc/sha256.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <span>

namespace llamabox {

class TensorCache {
public:
  using Sink = std::function<void(std::uint64_t at, const void *data, std::size_t n)>;

  // ERRORS: Error(kLoadFailed) when the folder cannot be made.
  TensorCache(std::filesystem::path folder, std::uint64_t limit_bytes);

  // One file in the making; without finish() nothing is kept.
  class Writer {
  public:
    Writer(TensorCache &cache, std::uint64_t n_bytes);
    ~Writer();
    Writer(const Writer &) = delete;
    Writer &operator=(const Writer &) = delete;

    void add(std::span<const std::byte> bytes);
    void finish();

  private:
    TensorCache &cache_;
    std::uint64_t n_bytes_;
    std::filesystem::path path_; // empty: too large, or kept already
    std::ofstream file_;
    Sha256 sha_;
    std::uint64_t short_hash_;
  };
  Writer begin(std::uint64_t n_bytes) { return Writer(*this, n_bytes); }

  // Hands the content to `sink`; false when it is missing, longer than `room` or spoilt, and then
  // what the sink was given is worth nothing.
  bool find(std::uint64_t short_hash, std::uint64_t room, const Sink &sink);

private:
  std::filesystem::path file_of(std::uint64_t short_hash) const;
  void make_room();

  const std::filesystem::path folder_;
  const std::uint64_t limit_bytes_;
  std::mutex mutex_; // of the folder's contents
};

// FNV-1a of 64 bits, the protocol's key; feed pieces by passing on the result.
constexpr std::uint64_t kFnvStart = 0xcbf29ce484222325ULL;
std::uint64_t fnv1a(std::span<const std::byte> bytes, std::uint64_t hash = kFnvStart);

} // namespace llamabox
