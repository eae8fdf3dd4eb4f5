#include "base/wake_fd.h"

#include "base/error.h"

#include <cstdlib>
#include <string>
#include <system_error>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <cerrno>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#endif
#ifdef __linux__
#include <sys/eventfd.h>
#endif

namespace llamabox {
namespace {

constexpr std::size_t kSinkBytes = 64;

#ifdef _WIN32

int last_error() { return WSAGetLastError(); }
bool was_interrupted() { return WSAGetLastError() == WSAEINTR; }

void close_end(int fd) { closesocket(static_cast<SOCKET>(fd)); }
std::ptrdiff_t read_end(int fd, char *data, std::size_t n) {
  return recv(static_cast<SOCKET>(fd), data, static_cast<int>(n), 0);
}
std::ptrdiff_t write_end(int fd, const char *data, std::size_t n) {
  return send(static_cast<SOCKET>(fd), data, static_cast<int>(n), 0);
}

// There is no pair of sockets: a connection of the process with itself over the loopback address,
// made sure of by comparing both names.
bool open_pair(int &read_fd, int &write_fd) {
  WSADATA started{};
  if (WSAStartup(MAKEWORD(2, 2), &started) != 0) {
    return false;
  }
  const SOCKET listener = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
  const SOCKET writer = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
  SOCKET reader = INVALID_SOCKET;
  sockaddr_in own{};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto *address = reinterpret_cast<sockaddr *>(&own);
  int length = sizeof own;
  sockaddr_in peer{};
  sockaddr_in mine{};
  if (bind(listener, address, length) == 0 && listen(listener, 1) == 0 &&
      getsockname(listener, address, &length) == 0 && connect(writer, address, length) == 0) {
    int peer_length = sizeof peer;
    int mine_length = sizeof mine;
    reader = accept(listener, reinterpret_cast<sockaddr *>(&peer), &peer_length);
    getsockname(writer, reinterpret_cast<sockaddr *>(&mine), &mine_length);
  }
  closesocket(listener);
  if (reader == INVALID_SOCKET || peer.sin_port != mine.sin_port) {
    closesocket(writer);
    closesocket(reader);
    return false;
  }
  u_long on = 1;
  ioctlsocket(reader, FIONBIO, &on);
  ioctlsocket(writer, FIONBIO, &on);
  read_fd = static_cast<int>(reader);
  write_fd = static_cast<int>(writer);
  return true;
}

#else

int last_error() { return errno; }
bool was_interrupted() { return errno == EINTR; }

void close_end(int fd) { ::close(fd); }
std::ptrdiff_t read_end(int fd, char *data, std::size_t n) { return ::read(fd, data, n); }
std::ptrdiff_t write_end(int fd, const char *data, std::size_t n) { return ::write(fd, data, n); }

bool open_pair(int &read_fd, int &write_fd) {
  int pair[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
    return false;
  }
  for (const int fd : pair) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  }
  read_fd = pair[0];
  write_fd = pair[1];
  return true;
}

#endif

#ifdef __linux__
bool open_eventfd(int &read_fd, int &write_fd) {
  read_fd = write_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return read_fd >= 0;
}
#else
bool open_eventfd(int &, int &) { return false; }
#endif

} // namespace

WakeFd::Kind WakeFd::default_kind() {
#ifdef __linux__
  return std::getenv("LLAMABOX_STOCK_IO") == nullptr ? Kind::kEventFd : Kind::kSocketPair;
#else
  return Kind::kSocketPair;
#endif
}

WakeFd::WakeFd(Kind kind) {
  const bool opened =
      kind == Kind::kEventFd ? open_eventfd(read_fd_, write_fd_) : open_pair(read_fd_, write_fd_);
  if (!opened) {
    throw Error(ErrorCode::kInternal,
                "no wake descriptor: " + std::system_category().message(last_error()));
  }
}

WakeFd::~WakeFd() {
  close_end(read_fd_);
  if (write_fd_ != read_fd_) {
    close_end(write_fd_);
  }
}

void WakeFd::signal() {
  // A full counter or socket buffer already means "readable", so the result does not matter. An
  // eventfd takes just this many bytes.
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n =
      write_end(write_fd_, reinterpret_cast<const char *>(&one), sizeof one);
}

void WakeFd::clear() {
  char sink[kSinkBytes];
  while (read_end(read_fd_, sink, sizeof sink) == static_cast<std::ptrdiff_t>(sizeof sink)) {
  }
}

void write_line(int fd, std::string_view line) {
  while (write_end(fd, line.data(), line.size()) < 0 && was_interrupted()) {
  }
}

} // namespace llamabox
