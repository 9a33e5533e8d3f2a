// One system call for each datagram: recvmsg(2) and sendmsg(2), for systems that cannot move many at once.
#include <cerrno>

#include "datagram.h"

namespace underloop {
namespace {

#ifdef __linux__
// As in datagram_mmsg.cc: the kernel tells how long a datagram really was (recv(2)).
constexpr int kReceiveFlags = MSG_TRUNC;
#else
constexpr int kReceiveFlags = 0;
#endif

msghdr HeaderOf(Datagram* row, socklen_t address_length) {
  msghdr header{};
  header.msg_name = address_length > 0 ? &row->address : nullptr;
  header.msg_namelen = address_length;
  header.msg_iov = &row->piece;
  header.msg_iovlen = 1;
  return header;
}

class OneByOne : public DatagramCalls {
 public:
  OneByOne(Datagram* incoming, Datagram* outgoing) : incoming_(incoming), outgoing_(outgoing) {}

  int Receive(int fd, int count) override {
    for (int i = 0; i < count; i++) {
      Datagram& row = incoming_[i];
      msghdr header = HeaderOf(&row, sizeof row.address);
      ssize_t n;
      do {
        n = recvmsg(fd, &header, kReceiveFlags);
      } while (n < 0 && errno == EINTR);
      // An error behind datagrams that have come is left for the next call, which meets it again or was spared it.
      if (n < 0) return i > 0 ? i : -errno;
      row.length = static_cast<size_t>(n);
      row.truncated = (header.msg_flags & MSG_TRUNC) != 0;
      row.address_length = header.msg_namelen;
    }
    return count;
  }

  int Send(int fd, int count) override {
    for (int i = 0; i < count; i++) {
      const msghdr header = HeaderOf(&outgoing_[i], outgoing_[i].address_length);
      ssize_t n;
      do {
        n = sendmsg(fd, &header, kDatagramSendFlags);
      } while (n < 0 && errno == EINTR);
      if (n < 0) return i > 0 ? i : -errno;
    }
    return count;
  }

 private:
  Datagram* incoming_;
  Datagram* outgoing_;
};

}  // namespace

std::unique_ptr<DatagramCalls> MakeOneByOne(Datagram* incoming, Datagram* outgoing) {
  return std::make_unique<OneByOne>(incoming, outgoing);
}

}  // namespace underloop
