#include "image/held_file.h"

#include "base/error.h"

#include <cerrno>
#include <system_error>
#include <utility>

#ifdef __linux__
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>
#endif

namespace llamabox {

#ifdef __linux__
namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 20;

[[noreturn]] void fail(const std::string &path, int error) {
  throw Error(ErrorCode::kLoadFailed,
              "cannot read file '" + path + "': " + std::generic_category().message(error));
}

// Closed at the end of the scope.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) {
      close(fd);
    }
  }
};

void copy_all(int from, int to, const std::string &path) {
  while (true) {
    const ssize_t n = sendfile(to, from, nullptr, kPieceBytes);
    if (n == 0) {
      return;
    }
    if (n < 0 && errno != EINTR) {
      fail(path, errno);
    }
  }
}

} // namespace

HeldFile::HeldFile(const std::string &path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  if (file.fd < 0) {
    fail(path, errno);
  }
  Descriptor copy{memfd_create("adapter", MFD_CLOEXEC)};
  if (copy.fd < 0) {
    fail(path, errno);
  }
  copy_all(file.fd, copy.fd, path);
  fd_ = std::exchange(copy.fd, -1);
  path_ = "/proc/self/fd/" + std::to_string(fd_);
}

HeldFile::~HeldFile() {
  if (fd_ >= 0) {
    close(fd_);
  }
}
#else
HeldFile::HeldFile(const std::string &path) : path_(path) {}

HeldFile::~HeldFile() = default;
#endif

HeldFile::HeldFile(HeldFile &&other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

} // namespace llamabox
