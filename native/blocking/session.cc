// The workload's handler in C++: reads requests, burns, waits on the upstream, replies. src/workload/handler.ts is its
// twin; a test drives both with the same frames and compares every byte.
#include "session.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "clocks.h"
#include "server.h"

namespace underloop::blocking {
namespace {

#ifdef MSG_NOSIGNAL
constexpr int kSendFlags = MSG_NOSIGNAL;
#else
constexpr int kSendFlags = 0;  // SO_NOSIGPIPE is set on each socket instead
#endif

// A refused client that goes on sending is read for as long and as far before the connection is closed, because close()
// with unread bytes sends a reset, which may overtake the reply that says why (RFC 1122, 4.2.2.13).
constexpr uint64_t kLingerMs = 1000;
constexpr size_t kLingerBytesMax = 4 * 1024 * 1024;
// A buffer that one large payload has made is given back, if larger, when the connection is idle.
constexpr size_t kKeptBytesMax = 64 * 1024;

ssize_t Receive(int fd, uint8_t* bytes, size_t room) {
  ssize_t n;
  do {
    n = recv(fd, bytes, room, 0);
  } while (n < 0 && errno == EINTR);
  return n;
}

bool SendAll(int fd, const uint8_t* bytes, size_t count) {
  while (count > 0) {
    const ssize_t n = send(fd, bytes, count, kSendFlags);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    bytes += n;
    count -= static_cast<size_t>(n);
  }
  return true;
}

// The clock and the kernel's account of the calling thread, at one moment.
struct Reading {
  uint64_t at_ns;
  uint64_t cpu_ns;
  uint64_t run_delay_ns;
};

// Preempted between two of the three, a thread among a thousand has waited for a second that would stand on one side of
// the moment by one account and on the other by the next. The run delay tells: then it is read again.
Reading ReadAccount() {
  constexpr int kTriesMax = 8;
  Reading reading = {0, 0, RunDelayNs()};
  for (int tries = 0; tries < kTriesMax; tries++) {
    reading.at_ns = MonotonicNs();
    reading.cpu_ns = ThreadCpuNs();
    const uint64_t after_ns = RunDelayNs();
    if (after_ns == reading.run_delay_ns) break;
    reading.run_delay_ns = after_ns;
  }
  return reading;
}

// Sums up the pieces of time in which the thread is a request's and does not wait: the wait has stamps of its own, so that
// no nanosecond is counted twice. Both give the moment, which is the stamp of what ends or begins there.
class Account {
 public:
  explicit Account(Stamps* stamps) : stamps_(*stamps) {}
  uint64_t Resume() {
    began_ = ReadAccount();
    return began_.at_ns;
  }
  uint64_t Pause() {
    const Reading now = ReadAccount();
    stamps_.cpu_ns += now.cpu_ns - began_.cpu_ns;
    stamps_.run_delay_ns += now.run_delay_ns - began_.run_delay_ns;
    return now.at_ns;
  }

 private:
  Stamps& stamps_;
  Reading began_ = {};
};

}  // namespace

// ---- Upstream ---------------------------------------------------------------------------------------------

Upstream::~Upstream() { Disconnect(); }

bool Upstream::Wait(uint32_t id, uint32_t wait_ms) {
  const bool kept = fd_ >= 0;
  if (!kept && !Connect()) return false;
  if (Exchange(id, wait_ms)) return true;
  Disconnect();
  // A kept connection may have ended while nobody looked: the upstream was started anew. Ask once more, freshly.
  if (!kept || server_.stopping() || !Connect()) return false;
  if (Exchange(id, wait_ms)) return true;
  Disconnect();
  return false;
}

bool Upstream::Connect() {
  if (server_.options.upstream_port == 0) return false;
#ifdef SOCK_CLOEXEC
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
#else
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
#endif
  if (fd < 0) return false;
  const int on = 1;
#ifdef SO_NOSIGPIPE
  setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
#endif
  if (!server_.Enter(fd)) return false;
  fd_ = fd;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(server_.options.upstream_port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int done = connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  // A shutdown() that came before the connect has done nothing (ENOTCONN): look whether it was the last call.
  if (done == 0 && !server_.stopping()) return true;
  Disconnect();
  return false;
}

bool Upstream::Exchange(uint32_t id, uint32_t wait_ms) {
  uint8_t frame[kUpstreamFrameBytes];
  WriteUint32(frame, id);
  WriteUint32(frame + 4, wait_ms);
  if (!SendAll(fd_, frame, sizeof frame)) return false;
  uint8_t answer[kUpstreamFrameBytes];
  for (size_t have = 0; have < sizeof answer;) {
    const ssize_t n = Receive(fd_, answer + have, sizeof answer - have);
    if (n <= 0) return false;
    have += static_cast<size_t>(n);
  }
  return memcmp(frame, answer, sizeof frame) == 0;
}

void Upstream::Disconnect() {
  if (fd_ >= 0) server_.Close(fd_);
  fd_ = -1;
}

// ---- Session ----------------------------------------------------------------------------------------------

Session::Session(Server& server, Upstream& upstream, int fd)
    : server_(server), upstream_(upstream), fd_(fd), thread_(ThreadId()) {}

Session::~Session() {
  if (buffer_ != own_) free(buffer_);
}

void Session::Run() {
  uint32_t left = server_.options.requests_per_connection;
  for (;;) {
    uint8_t* frame = buffer_ + at_;
    const size_t have = end_ - at_;
    const Measured measured = MeasureRequest(frame, have);
    if (measured.status != kOk) {
      Refuse(measured.status, IdOf(frame, have));
      return;
    }
    if (measured.bytes <= have) {
      at_ += measured.bytes;
      if (!Answer(frame, measured.bytes, at_ < end_)) return;
      if (left > 0 && --left == 0) {
        if (Flush()) CloseGently();
        return;
      }
      continue;
    }
    if (!Flush() || !MakeRoom(measured.bytes)) return;
    const ssize_t n = Receive(fd_, buffer_ + end_, capacity_ - end_);
    if (n <= 0) {
      if (n == 0 && end_ > at_) Refuse(kTooShort, IdOf(buffer_ + at_, end_ - at_));
      return;
    }
    received_ns_ = MonotonicNs();
    end_ += static_cast<size_t>(n);
  }
}

// Room to read on with a frame of which `frame_bytes` are known to come.
bool Session::MakeRoom(size_t frame_bytes) {
  const size_t have = end_ - at_;
  if (have == 0 && capacity_ > kHeadroom + kKeptBytesMax) {
    free(buffer_);
    buffer_ = own_;
    capacity_ = sizeof own_;
  }
  if (have == 0 || at_ + frame_bytes > capacity_) {
    memmove(buffer_ + kHeadroom, buffer_ + at_, have);
    at_ = kHeadroom;
    end_ = kHeadroom + have;
  }
  if (end_ < capacity_) return true;
  // Grows with what has come, not with what a length field promises.
  const size_t capacity = 2 * capacity_;
  auto* grown = static_cast<uint8_t*>(realloc(buffer_ == own_ ? nullptr : buffer_, capacity));
  if (grown == nullptr) return false;
  if (buffer_ == own_) memcpy(grown, own_, end_);
  buffer_ = grown;
  capacity_ = capacity;
  return true;
}

bool Session::Answer(uint8_t* frame, size_t frame_bytes, bool more_follow) {
  const uint32_t id = ReadUint32(frame + 4);
  const uint32_t cpu_us = ReadUint32(frame + 8);
  const uint32_t wait_ms = ReadUint32(frame + 12);
  Stamps stamps;
  stamps.thread = thread_;
  stamps.received_ns = received_ns_;
  Status status = kOk;
  // A request that asks for neither work nor a wait is not accounted: that would take longer than its answer.
  if (cpu_us > 0 || wait_ms > 0) {
    if (!Flush()) return false;  // what is done must not wait for what is slow
    const uint32_t before_us = wait_ms > 0 ? cpu_us / 2 : cpu_us;
    Account account(&stamps);
    stamps.received_ns = account.Resume();
    if (!Burn(before_us)) return false;
    if (wait_ms > 0) {
      stamps.wait_started_ns = account.Pause();
      if (!upstream_.Wait(id, wait_ms)) status = kUpstreamFailed;
      if (server_.stopping()) return false;
      stamps.wait_ended_ns = account.Resume();
      if (status == kOk && !Burn(cpu_us - before_us)) return false;
    }
    stamps.sent_ns = account.Pause();
  } else {
    stamps.sent_ns = MonotonicNs();
  }
  if (status != kOk) {
    server_.counters.errors.fetch_add(1, std::memory_order_relaxed);
    const char* reason = kStatusReasons[status];
    return Reply(id, status, nullptr, reinterpret_cast<const uint8_t*>(reason), strlen(reason), stamps);
  }
  server_.counters.served.fetch_add(1, std::memory_order_relaxed);
  // The bytes before this frame were answered already, so the header may overwrite them.
  uint8_t* in_place = more_follow ? nullptr : frame - kHeadroom;
  return Reply(id, kOk, in_place, frame + kRequestHeaderBytes, frame_bytes - kRequestHeaderBytes, stamps);
}

// Sends a reply, or puts it with others that go out together before the thread blocks. `in_place`: where reply and
// payload may stand in one piece.
bool Session::Reply(uint32_t id, uint32_t status, uint8_t* in_place, const uint8_t* payload,
                    size_t payload_bytes, const Stamps& stamps) {
  const size_t bytes = kReplyHeaderBytes + payload_bytes;
  if (replies_ + bytes > sizeof replies_buffer_ && !Flush()) return false;
  if (in_place != nullptr && replies_ == 0) {
    WriteReplyHeader(in_place, id, status, payload_bytes, stamps);
    return Send(in_place, bytes);
  }
  WriteReplyHeader(replies_buffer_ + replies_, id, status, payload_bytes, stamps);
  if (bytes <= sizeof replies_buffer_) {
    memcpy(replies_buffer_ + replies_ + kReplyHeaderBytes, payload, payload_bytes);
    replies_ += bytes;
    return true;
  }
  replies_ = kReplyHeaderBytes;
  return Flush() && Send(payload, payload_bytes);
}

void Session::Refuse(Status status, uint32_t id) {
  server_.counters.errors.fetch_add(1, std::memory_order_relaxed);
  Stamps stamps;
  stamps.thread = thread_;
  stamps.received_ns = received_ns_;
  stamps.sent_ns = MonotonicNs();
  const char* reason = kStatusReasons[status];
  if (Reply(id, status, nullptr, reinterpret_cast<const uint8_t*>(reason), strlen(reason), stamps) &&
      Flush()) {
    CloseGently();
  }
}

// Works until the thread's CPU clock has moved on, not the wall's: being preempted is not work. False when the server
// stops.
bool Session::Burn(uint64_t cpu_us) {
  if (cpu_us == 0) return true;
  const uint64_t until_ns = ThreadCpuNs() + cpu_us * 1000;
  while (ThreadCpuNs() < until_ns) {
    if (server_.stopping()) return false;
  }
  return true;
}

bool Session::Flush() {
  const size_t bytes = replies_;
  replies_ = 0;
  return bytes == 0 || Send(replies_buffer_, bytes);
}

bool Session::Send(const uint8_t* bytes, size_t count) { return SendAll(fd_, bytes, count); }

void Session::CloseGently() {
  shutdown(fd_, SHUT_WR);
  timeval limit = {static_cast<time_t>(kLingerMs / 1000), static_cast<suseconds_t>(kLingerMs % 1000 * 1000)};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  const uint64_t until_ns = MonotonicNs() + kLingerMs * 1'000'000;
  for (size_t bytes = 0; bytes < kLingerBytesMax && MonotonicNs() < until_ns;) {
    const ssize_t n = Receive(fd_, own_, sizeof own_);
    if (n <= 0) return;
    bytes += static_cast<size_t>(n);
  }
}

}  // namespace underloop::blocking
