// The calls on sockets that differ between systems, under one name each; all that the RPC server
// and the check before ggml's client need.
// Thread rule: any thread. Guarantee: none of them waits but wait_for_sockets and dial, and no
// program that is started inherits a socket made or taken here.
// Covered by rpc_server_test and tests/py/api/test_rpc.py.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#ifdef _WIN32
#include <winsock2.h>
#include <ws2tcpip.h>
#else
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#endif

namespace llamabox::sockets {

// The number of what failed last on this thread, and what it means.
int last_error();
std::string words_of(int error);
bool means_again(int error);      // nothing came, or nothing more goes out, right now
bool means_full_table(int error); // the process or the system has no descriptor left
bool means_interrupted(int error);

void set_nonblocking(int fd);
// As a stream that may be silent for days between two messages, each of which is waited for.
void set_stream_options(int fd);

// -1 with last_error() when there is none; `name` is the other end as HOST:PORT.
int accept_next(int listener, std::string &name);
// Bytes taken or given, or -1 with last_error(). REQUIRES: set_stream_options(fd) came first.
std::ptrdiff_t receive_some(int fd, void *data, std::size_t n);
std::ptrdiff_t send_some(int fd, const void *data, std::size_t n);
// Ends what other threads wait for on this socket.
void shut_down(int fd);
void close_socket(int fd);

pollfd entry_of(int fd, short events);
// As poll(): entries that are ready, 0 after `ms` (-1: never), -1 with last_error().
int wait_for_sockets(pollfd *entries, std::size_t n, int ms);
// Whether the other end has closed; what it sent before may still be unread.
bool peer_left(int fd);

// A connected socket that does not block, or -1 with the reason in `error`.
int dial(const addrinfo &address, std::chrono::milliseconds patience, int &error);

} // namespace llamabox::sockets
