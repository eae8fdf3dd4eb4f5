#include "rpc/sockets.h"

#include <cerrno>
#include <system_error>

#ifndef _WIN32
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#endif

namespace llamabox::sockets {
namespace {

void set_option(int fd, int level, int name, int value) {
  // A socket of another family has no such option, and needs none.
  static_cast<void>(
      setsockopt(fd, level, name, reinterpret_cast<const char *>(&value), sizeof value));
}

std::string name_of(const sockaddr_storage &address, socklen_t length) {
  char host[NI_MAXHOST] = "?";
  char port[NI_MAXSERV] = "?";
  getnameinfo(reinterpret_cast<const sockaddr *>(&address), length, host, sizeof host, port,
              sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  std::string name = host;
  if (address.ss_family == AF_INET6) {
    name.insert(0, 1, '[');
    name += ']';
  }
  return name + ':' + port;
}

} // namespace

#ifdef _WIN32

int last_error() { return WSAGetLastError(); }
bool means_again(int error) { return error == WSAEWOULDBLOCK; }
bool means_full_table(int error) { return error == WSAEMFILE || error == WSAENOBUFS; }
bool means_interrupted(int error) { return error == WSAEINTR; }
static bool means_connecting(int error) { return error == WSAEWOULDBLOCK; }
constexpr int kTimeout = WSAETIMEDOUT;
constexpr int kSendFlags = 0;
constexpr int kReceiveFlags = 0;

void set_nonblocking(int fd) {
  u_long on = 1;
  ioctlsocket(static_cast<SOCKET>(fd), FIONBIO, &on);
}

// Sockets are inherited by nobody unless they are asked to be.
static void keep_private(int) {}

void shut_down(int fd) { shutdown(static_cast<SOCKET>(fd), SD_BOTH); }
void close_socket(int fd) { closesocket(static_cast<SOCKET>(fd)); }

int wait_for_sockets(pollfd *entries, std::size_t n, int ms) {
  return WSAPoll(entries, static_cast<ULONG>(n), ms);
}

#else

int last_error() { return errno; }
bool means_again(int error) { return error == EAGAIN || error == EWOULDBLOCK; }
bool means_full_table(int error) {
  return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}
bool means_interrupted(int error) { return error == EINTR; }
static bool means_connecting(int error) { return error == EINPROGRESS; }
constexpr int kTimeout = ETIMEDOUT;
constexpr int kSendFlags = MSG_NOSIGNAL | MSG_DONTWAIT;
constexpr int kReceiveFlags = MSG_DONTWAIT;

void set_nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }
static void keep_private(int fd) { fcntl(fd, F_SETFD, FD_CLOEXEC); }
void shut_down(int fd) { shutdown(fd, SHUT_RDWR); }
void close_socket(int fd) { close(fd); }

int wait_for_sockets(pollfd *entries, std::size_t n, int ms) {
  return poll(entries, static_cast<nfds_t>(n), ms);
}

#endif

std::string words_of(int error) { return std::system_category().message(error); }

pollfd entry_of(int fd, short events) {
  pollfd entry{};
  entry.fd = static_cast<decltype(entry.fd)>(fd);
  entry.events = events;
  return entry;
}

bool peer_left(int fd) {
#ifdef POLLRDHUP
  constexpr short kClosed = POLLRDHUP;
#else
  constexpr short kClosed = 0; // only a connection closed both ways is told
#endif
  pollfd entry = entry_of(fd, kClosed);
  return wait_for_sockets(&entry, 1, 0) > 0 && (entry.revents & (kClosed | POLLHUP | POLLERR)) != 0;
}

void set_stream_options(int fd) {
  if constexpr (kReceiveFlags == 0) {
    set_nonblocking(fd); // no flag of a call says so
  }
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  // A peer that is gone is noticed all the same.
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#ifdef TCP_KEEPIDLE
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
#endif
}

int accept_next(int listener, std::string &name) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  const auto taken = accept(listener, reinterpret_cast<sockaddr *>(&address), &length);
  const int fd = static_cast<int>(taken);
  if (fd >= 0) {
    keep_private(fd);
    name = name_of(address, length);
  }
  return fd;
}

std::ptrdiff_t receive_some(int fd, void *data, std::size_t n) {
#ifdef _WIN32
  n = n < INT_MAX ? n : INT_MAX;
  return recv(fd, static_cast<char *>(data), static_cast<int>(n), kReceiveFlags);
#else
  return recv(fd, data, n, kReceiveFlags);
#endif
}

std::ptrdiff_t send_some(int fd, const void *data, std::size_t n) {
#ifdef _WIN32
  n = n < INT_MAX ? n : INT_MAX;
  return send(fd, static_cast<const char *>(data), static_cast<int>(n), kSendFlags);
#else
  return send(fd, data, n, kSendFlags);
#endif
}

int dial(const addrinfo &address, std::chrono::milliseconds patience, int &error) {
  const auto made = socket(address.ai_family, address.ai_socktype, address.ai_protocol);
  const int fd = static_cast<int>(made);
  if (fd < 0) {
    error = last_error();
    return -1;
  }
  keep_private(fd);
  set_nonblocking(fd);
  const auto length = static_cast<socklen_t>(address.ai_addrlen);
  error = connect(fd, address.ai_addr, length) == 0 ? 0 : last_error();
  if (means_connecting(error)) {
    pollfd entry = entry_of(fd, POLLOUT);
    socklen_t size = sizeof error;
    if (wait_for_sockets(&entry, 1, static_cast<int>(patience.count())) != 1) {
      error = kTimeout;
    } else {
      getsockopt(fd, SOL_SOCKET, SO_ERROR, reinterpret_cast<char *>(&error), &size);
    }
  }
  if (error != 0) {
    close_socket(fd);
    return -1;
  }
  return fd;
}

} // namespace llamabox::sockets
