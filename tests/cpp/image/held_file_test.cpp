// Files that are held in memory, whatever becomes of them on disk.
#include "image/held_file.h"

#include "base/error.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace llamabox;

namespace {

// A file in the folder for temporary ones, removed at the end.
class TemporaryFile {
public:
  explicit TemporaryFile(const std::string &text)
      : path_("/tmp/held_file_test." + std::to_string(getpid())) {
    write(text);
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile &) = delete;
  TemporaryFile &operator=(const TemporaryFile &) = delete;

  const std::string &path() const { return path_; }
  void write(const std::string &text) const { std::ofstream(path_, std::ios::binary) << text; }

private:
  std::string path_;
};

std::string read(const std::string &path) {
  std::ifstream file(path, std::ios::binary);
  REQUIRE(file.is_open());
  return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST_CASE("a held file can be read again and again, also after it was changed and removed") {
  std::string text(200000, 'a');
  text[70000] = '\0';
  std::vector<HeldFile> held;
  {
    const TemporaryFile file(text);
    held.emplace_back(file.path());
    file.write("another text");
  }
  CHECK(read(held[0].path()) == text);
  CHECK(read(held[0].path()) == text);
}

TEST_CASE("a held file that moves stays open, and files have paths of their own") {
  const TemporaryFile file("one");
  HeldFile first(file.path());
  file.write("two");
  const HeldFile second(file.path());
  const HeldFile moved(std::move(first));
  CHECK(read(moved.path()) == "one");
  CHECK(read(second.path()) == "two");
}

TEST_CASE("a file that is not there is named") {
  CHECK_THROWS_WITH_AS(HeldFile("/tmp/held_file_test.none/x"),
                       "cannot read file '/tmp/held_file_test.none/x': No such file or directory",
                       Error);
}
