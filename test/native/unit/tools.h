// What the unit tests of the native code share: descriptors that close themselves, and questions to the system.
#pragma once

#include <arpa/inet.h>
#include <dirent.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

// A descriptor that is closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int number) : number_(number) { REQUIRE(number >= 0); }
  Fd(Fd&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~Fd() { Close(); }
  void Close() {
    if (number_ >= 0) close(number_);
    number_ = -1;
  }
  int Release() { return std::exchange(number_, -1); }
  operator int() const { return number_; }

 private:
  int number_ = -1;
};

// Two ends: what is written to `out` comes from `in`. Both non-blocking.
struct Pipe {
  Fd in;
  Fd out;
  Pipe() {
    int ends[2];
    REQUIRE(pipe(ends) == 0);
    in = Fd(ends[0]);
    out = Fd(ends[1]);
    for (int end : ends) fcntl(end, F_SETFL, O_NONBLOCK);
  }
  void Write(size_t bytes = 1) {
    const char text[64] = {};
    REQUIRE(write(out, text, bytes) == static_cast<ssize_t>(bytes));
  }
  void Drain() {
    char text[64];
    while (read(in, text, sizeof text) > 0) continue;
  }
};

struct SocketPair {
  Fd a;
  Fd b;
  SocketPair() {
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    a = Fd(ends[0]);
    b = Fd(ends[1]);
  }
};

inline sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// A TCP socket that listens on a free port of 127.0.0.1.
struct Listening {
  Fd fd;
  uint16_t port = 0;
  Listening() : fd(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = Loopback(0);
    socklen_t length = sizeof address;
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0);
    REQUIRE(listen(fd, 64) == 0);
    REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    port = ntohs(address.sin_port);
  }
};

inline Fd ConnectTo(uint16_t port) {
  Fd fd(socket(AF_INET, SOCK_STREAM, 0));
  const sockaddr_in address = Loopback(port);
  REQUIRE(connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  return fd;
}

// How many descriptors this process has open.
inline int CountFds() {
  DIR* directory = opendir("/dev/fd");
  REQUIRE(directory != nullptr);
  int count = 0;
  while (readdir(directory) != nullptr) count++;
  closedir(directory);
  return count;
}

// Waits until `fd` has something to read; the bound is long against any loaded machine.
inline bool BecomesReadable(int fd, int within_ms = 20000) {
  pollfd one = {fd, POLLIN, 0};
  return poll(&one, 1, within_ms) == 1;
}
