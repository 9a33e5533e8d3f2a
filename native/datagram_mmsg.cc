// One system call for many datagrams: recvmmsg(2) and sendmmsg(2), where the system has them (Linux, FreeBSD).
#include <cerrno>

#include "datagram.h"

namespace underloop {

#if defined(__linux__) || defined(__FreeBSD__)

namespace {

#ifdef __linux__
// With it the kernel tells how long a datagram really was, also when it did not fit (recv(2)).
constexpr int kReceiveFlags = MSG_DONTWAIT | MSG_TRUNC;
#else
constexpr int kReceiveFlags = MSG_DONTWAIT;
#endif

void Bind(mmsghdr* header, Datagram* row) {
  header->msg_hdr = msghdr{};
  header->msg_hdr.msg_name = &row->address;
  header->msg_hdr.msg_namelen = sizeof row->address;
  header->msg_hdr.msg_iov = &row->piece;
  header->msg_hdr.msg_iovlen = 1;
  header->msg_len = 0;
}

// The headers are made once. What a call has changed in them is put back behind it, for the rows that it used.
class ManyAtOnce : public DatagramCalls {
 public:
  ManyAtOnce(Datagram* incoming, Datagram* outgoing) : incoming_(incoming), outgoing_(outgoing) {
    for (int i = 0; i < kDatagramsMax; i++) {
      Bind(&receiving_[i], &incoming[i]);
      Bind(&sending_[i], &outgoing[i]);
    }
  }

  int Receive(int fd, int count) override {
    int done;
    do {
      done = recvmmsg(fd, receiving_, static_cast<unsigned>(count), kReceiveFlags, nullptr);
    } while (done < 0 && errno == EINTR);
    if (done < 0) return -errno;
    for (int i = 0; i < done; i++) {
      msghdr& header = receiving_[i].msg_hdr;
      incoming_[i].length = receiving_[i].msg_len;
      incoming_[i].truncated = (header.msg_flags & MSG_TRUNC) != 0;
      incoming_[i].address_length = header.msg_namelen;
      header.msg_namelen = sizeof incoming_[i].address;
      header.msg_flags = 0;
    }
    return done;
  }

  int Send(int fd, int count) override {
    for (int i = 0; i < count; i++) {
      msghdr& header = sending_[i].msg_hdr;
      header.msg_namelen = outgoing_[i].address_length;
      header.msg_name = header.msg_namelen > 0 ? &outgoing_[i].address : nullptr;
    }
    int done;
    do {
      done = sendmmsg(fd, sending_, static_cast<unsigned>(count), kDatagramSendFlags);
    } while (done < 0 && errno == EINTR);
    return done >= 0 ? done : -errno;
  }

 private:
  Datagram* incoming_;
  Datagram* outgoing_;
  mmsghdr receiving_[kDatagramsMax];
  mmsghdr sending_[kDatagramsMax];
};

}  // namespace

std::unique_ptr<DatagramCalls> MakeManyAtOnce(Datagram* incoming, Datagram* outgoing) {
  return std::make_unique<ManyAtOnce>(incoming, outgoing);
}

#else

std::unique_ptr<DatagramCalls> MakeManyAtOnce(Datagram*, Datagram*) { return nullptr; }

#endif

}  // namespace underloop
