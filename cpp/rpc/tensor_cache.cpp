#include "rpc/tensor_cache.h"

#include "base/error.h"
#include "base/file_path.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <system_error>
#include <vector>

namespace llamabox {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMagic = 0x3143505242414c4cULL;
constexpr std::size_t kChunkBytes = std::size_t{1} << 20;
constexpr const char *kSuffix = ".tensor";
constexpr const char *kUnfinished = ".part";

struct FileHead {
  std::uint64_t magic = kMagic;
  std::uint64_t n_bytes = 0;
  Sha256::Digest digest{};
};

// No two processes choose the same name.
fs::path part_path(const fs::path &folder) {
  static const std::string kProcess = std::to_string(std::random_device{}());
  static std::atomic<std::uint64_t> next{0};
  return folder / (kProcess + '-' + std::to_string(next++) + kUnfinished);
}

template <typename T> bool read_value(std::istream &file, T &value) {
  return static_cast<bool>(file.read(reinterpret_cast<char *>(&value), sizeof value));
}

} // namespace

std::uint64_t fnv1a(std::span<const std::byte> bytes, std::uint64_t hash) {
  for (const std::byte byte : bytes) {
    hash = (hash ^ static_cast<std::uint64_t>(byte)) * 0x100000001b3ULL;
  }
  return hash;
}

TensorCache::TensorCache(fs::path folder, std::uint64_t limit_bytes)
    : folder_(std::move(folder)), limit_bytes_(limit_bytes) {
  std::error_code error;
  fs::create_directories(folder_, error);
  if (!fs::is_directory(folder_, error) || !may_fill(folder_)) {
    throw Error(ErrorCode::kLoadFailed,
                "rpc-server-cache-dir: cannot use the folder " + folder_.string(),
                "rpc-server-cache-dir");
  }
  fs::permissions(folder_, fs::perms::owner_all, error);
  // What a killed process left behind.
  for (const fs::directory_entry &entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().extension() == kUnfinished) {
      fs::remove(entry.path(), error);
    }
  }
  make_room();
}

fs::path TensorCache::file_of(std::uint64_t short_hash) const {
  constexpr const char *kDigits = "0123456789abcdef";
  std::string name(16, '0');
  for (std::size_t i = 0; i < name.size(); ++i) {
    name[i] = kDigits[short_hash >> (60 - 4 * i) & 15];
  }
  return folder_ / (name + kSuffix);
}

void TensorCache::make_room() {
  struct File {
    fs::path path;
    fs::file_time_type used_at;
    std::uint64_t n_bytes;
  };
  std::error_code error;
  std::vector<File> files;
  std::uint64_t total = 0;
  const std::lock_guard<std::mutex> lock(mutex_);
  for (const fs::directory_entry &entry : fs::directory_iterator(folder_, error)) {
    if (entry.path().extension() == kSuffix) {
      files.push_back({entry.path(), entry.last_write_time(error), entry.file_size(error)});
      total += files.back().n_bytes;
    }
  }
  std::sort(files.begin(), files.end(),
            [](const File &a, const File &b) { return a.used_at < b.used_at; });
  for (const File &file : files) {
    if (total <= limit_bytes_) {
      break;
    }
    fs::remove(file.path, error);
    total -= file.n_bytes;
  }
}

bool TensorCache::find(std::uint64_t short_hash, std::uint64_t room, const Sink &sink) {
  const fs::path path = file_of(short_hash);
  std::ifstream file(path, std::ios::binary);
  FileHead head;
  if (!file || !read_value(file, head)) {
    return false;
  }
  if (head.magic == kMagic && head.n_bytes > room) {
    return false;
  }
  Sha256 sha;
  std::uint64_t done = 0;
  std::vector<std::byte> chunk(kChunkBytes);
  while (head.magic == kMagic && done < head.n_bytes) {
    const std::size_t part = std::min<std::uint64_t>(head.n_bytes - done, kChunkBytes);
    if (!file.read(reinterpret_cast<char *>(chunk.data()), static_cast<std::streamsize>(part))) {
      break;
    }
    sha.add({chunk.data(), part});
    sink(done, chunk.data(), part);
    done += part;
  }
  std::error_code error;
  if (head.magic != kMagic || done != head.n_bytes || sha.finish() != head.digest) {
    fs::remove(path, error);
    return false;
  }
  fs::last_write_time(path, fs::file_time_type::clock::now(), error);
  return true;
}

TensorCache::Writer::Writer(TensorCache &cache, std::uint64_t n_bytes)
    : cache_(cache), n_bytes_(n_bytes), short_hash_(kFnvStart) {
  if (n_bytes + sizeof(FileHead) <= cache.limit_bytes_) {
    path_ = part_path(cache.folder_);
    file_.open(path_, std::ios::binary | std::ios::trunc);
    const FileHead unfinished;
    file_.write(reinterpret_cast<const char *>(&unfinished), sizeof unfinished);
  }
}

TensorCache::Writer::~Writer() {
  if (!path_.empty()) {
    std::error_code error;
    file_.close();
    fs::remove(path_, error);
  }
}

void TensorCache::Writer::add(std::span<const std::byte> bytes) {
  if (path_.empty()) {
    return;
  }
  short_hash_ = fnv1a(bytes, short_hash_);
  sha_.add(bytes);
  file_.write(reinterpret_cast<const char *>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
}

void TensorCache::Writer::finish() {
  if (path_.empty()) {
    return;
  }
  FileHead head;
  head.n_bytes = n_bytes_;
  head.digest = sha_.finish();
  file_.seekp(0);
  file_.write(reinterpret_cast<const char *>(&head), sizeof head);
  file_.close();
  if (file_.fail()) {
    return; // a full disk: the destructor removes what there is
  }
  std::error_code error;
  fs::rename(path_, cache_.file_of(short_hash_), error);
  if (!error) {
    path_.clear();
    cache_.make_room();
  }
}

} // namespace llamabox
