// gguf_mutate SEED COUNT IN_FILE OUT_DIR: writes up to COUNT damaged copies of IN_FILE which the
// header check accepts, as OUT_DIR/SEED-00000.gguf and so on, to be tried with the real loader. It
// gives up after 200 tries per file wanted. Exit code 0, or 1 with one line on stderr.
#include "base/error.h"
#include "gguf_builder.h"
#include "gguf_mutator.h"
#include "guard/gguf_check.h"

#include <array>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

namespace {

using llamabox::testing::write_file;

constexpr std::uint64_t kTriesPerFile = 200;

bool accepted(const std::filesystem::path &path) {
  try {
    llamabox::check_gguf(path.string());
    return true;
  } catch (const llamabox::Error &) {
    return false;
  }
}

int run(std::uint64_t seed, std::uint64_t count, const std::string &in_file,
        const std::filesystem::path &out_dir) {
  llamabox::check_gguf(in_file);
  std::ifstream in(in_file, std::ios::binary);
  const std::string original{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  llamabox::testing::GgufMutator mutator(original, llamabox::read_gguf_header(in_file), seed);
  std::filesystem::create_directories(out_dir);
  std::uint64_t written = 0;
  std::uint64_t tries = 0;
  while (written < count && tries < count * kTriesPerFile) {
    ++tries;
    const std::string bytes = mutator.next();
    std::array<char, 48> name{};
    std::snprintf(name.data(), name.size(), "%llu-%05llu.gguf",
                  static_cast<unsigned long long>(seed), static_cast<unsigned long long>(written));
    const std::filesystem::path path = out_dir / name.data();
    write_file(path, bytes);
    if (bytes != original && accepted(path)) {
      ++written;
    } else {
      std::filesystem::remove(path);
    }
  }
  std::cout << "seed=" << seed << " tries=" << tries << " accepted=" << written << "\n";
  return 0;
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 5) {
    std::cerr << "usage: gguf_mutate SEED COUNT IN_FILE OUT_DIR\n";
    return 1;
  }
  try {
    return run(std::stoull(argv[1]), std::stoull(argv[2]), argv[3], argv[4]);
  } catch (const std::exception &e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
