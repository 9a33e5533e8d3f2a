// Datagrams in batches: the memory that both languages use, and the calls that move many datagrams at once.
#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace underloop {

// The layout of the shared block; the same numbers stand in src/kernel/datagram-memory.ts, which says why.
constexpr int kDatagramsMax = 64;
constexpr size_t kRowNumbers = 4;
constexpr size_t kAddressBytes = 128;
constexpr size_t kSlotsBytes = 2 * 1024 * 1024;
constexpr size_t kOutgoingBytes = 512 * 1024;
constexpr size_t kAddressesAt = kDatagramsMax * kRowNumbers * sizeof(int32_t);
constexpr size_t kSlotsAt = kAddressesAt + kDatagramsMax * kAddressBytes;
constexpr size_t kDatagramBlockBytes = kSlotsAt + kSlotsBytes + kOutgoingBytes;

// One datagram on its way. `length` and `truncated` are what a receive has found.
struct Datagram {
  iovec piece{};
  sockaddr_storage address{};
  socklen_t address_length = 0;
  size_t length = 0;
  bool truncated = false;
};

// A way of moving datagrams. Both calls give how many of the first `count` rows were moved, or -errno when the first
// of them failed. A call that moves many at once is bound to its rows when it is made.
class DatagramCalls {
 public:
  virtual ~DatagramCalls() = default;
  virtual int Receive(int fd, int count) = 0;
  virtual int Send(int fd, int count) = 0;
};

// recvmmsg(2) and sendmmsg(2): one system call for many; null where there are none.
std::unique_ptr<DatagramCalls> MakeManyAtOnce(Datagram* incoming, Datagram* outgoing);
// recvmsg(2) and sendmsg(2): one system call for each. Everywhere.
std::unique_ptr<DatagramCalls> MakeOneByOne(Datagram* incoming, Datagram* outgoing);

#ifdef MSG_NOSIGNAL
constexpr int kDatagramSendFlags = MSG_NOSIGNAL;
#else
constexpr int kDatagramSendFlags = 0;  // macOS: SO_NOSIGPIPE is set on each socket instead
#endif

}  // namespace underloop
