#include <doctest/doctest.h>

#include "base/error.h"
#include "rpc/tensor_cache.h"

#include <chrono>
#include <string>

using namespace llamabox;
namespace fs = std::filesystem;

namespace {

std::string hex(const std::string &text, std::size_t piece) {
  Sha256 sha;
  const auto bytes = std::as_bytes(std::span(text));
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    sha.add(bytes.subspan(at, std::min(piece, bytes.size() - at)));
  }
  std::string shown;
  for (const std::uint8_t byte : sha.finish()) {
    constexpr const char *kDigits = "0123456789abcdef";
    shown += kDigits[byte >> 4];
    shown += kDigits[byte & 15];
  }
  return shown;
}

struct Folder {
  explicit Folder(const char *name) : path(fs::temp_directory_path() / name) {
    fs::remove_all(path);
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

std::vector<std::byte> content(std::size_t n, int seed) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i) {
    bytes[i] = static_cast<std::byte>(i * 31 + static_cast<std::size_t>(seed));
  }
  return bytes;
}

void keep(TensorCache &cache, const std::vector<std::byte> &bytes) {
  TensorCache::Writer writer = cache.begin(bytes.size());
  writer.add(bytes);
  writer.finish();
}

bool has(TensorCache &cache, const std::vector<std::byte> &bytes, std::uint64_t room = 1 << 20) {
  std::vector<std::byte> found;
  const bool hit =
      cache.find(fnv1a(bytes), room, [&](std::uint64_t, const void *data, std::size_t n) {
        const auto *first = static_cast<const std::byte *>(data);
        found.insert(found.end(), first, first + n);
      });
  return hit && found == bytes;
}

// The file that was used longest ago, as if so much time had passed.
void age(const fs::path &folder) {
  for (const fs::directory_entry &entry : fs::directory_iterator(folder)) {
    fs::last_write_time(entry.path(), entry.last_write_time() - std::chrono::hours(1));
  }
}

} // namespace

TEST_CASE("SHA-256 gives the digests of its standard, fed in any pieces") {
  CHECK(hex("", 1) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  const std::string two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  for (const std::size_t piece : {1U, 7U, 64U, 1000U}) {
    CHECK(hex("abc", piece) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(hex(two, piece) == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(hex(std::string(1000, 'a'), piece) ==
          "41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3");
  }
}

TEST_CASE("the content unused for longest goes when the folder is full") {
  const Folder folder("llamabox-rpc-cache-evict");
  TensorCache cache(folder.path, 2500);
  const auto a = content(1000, 1);
  const auto b = content(1000, 2);
  const auto c = content(1000, 3);
  keep(cache, a);
  age(folder.path);
  keep(cache, b);
  age(folder.path);
  CHECK(has(cache, a)); // used now, so b is the eldest
  keep(cache, c);
  CHECK(has(cache, a));
  CHECK_FALSE(has(cache, b));
  CHECK(has(cache, c));
  keep(cache, content(2500, 4)); // with its head beyond the limit: never kept
  CHECK_FALSE(has(cache, content(2500, 4)));
  CHECK(has(cache, a));
}

TEST_CASE("what is too long for its place, cut or unfinished is not there") {
  const Folder folder("llamabox-rpc-cache-bad");
  const auto a = content(1000, 1);
  {
    TensorCache cache(folder.path, 1 << 20);
    keep(cache, a);
    CHECK_FALSE(has(cache, a, 999));
    CHECK(has(cache, a, 1000));
    TensorCache::Writer abandoned = cache.begin(1000);
    abandoned.add(content(500, 9));
  }
  CHECK(std::distance(fs::directory_iterator(folder.path), fs::directory_iterator()) == 1);
  for (const fs::directory_entry &entry : fs::directory_iterator(folder.path)) {
    fs::resize_file(entry.path(), 700);
  }
  TensorCache cache(folder.path, 1 << 20);
  CHECK_FALSE(has(cache, a));
  CHECK(fs::is_empty(folder.path));
}

TEST_CASE("a folder that cannot be used is refused by the option's name") {
  CHECK_THROWS_WITH_AS(TensorCache("/proc/none", 1), doctest::Contains("rpc-server-cache-dir"),
                       Error);
}
