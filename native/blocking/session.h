// One client, served in plain blocking calls by the thread that owns this object, on whose stack it stands.
#pragma once

#include <cstddef>
#include <cstdint>

#include "frames.h"

namespace underloop::blocking {

class Server;

// The thread's own connection to the upstream, made when a request first wants to wait.
class Upstream {
 public:
  explicit Upstream(Server& server) : server_(server) {}
  ~Upstream();
  // Blocks until the upstream has answered. False when it fails, or the server stops.
  bool Wait(uint32_t id, uint32_t wait_ms);

 private:
  bool Connect();
  bool Exchange(uint32_t id, uint32_t wait_ms);
  void Disconnect();

  Server& server_;
  int fd_ = -1;
};

class Session {
 public:
  Session(Server& server, Upstream& upstream, int fd);
  ~Session();
  // Returns when the connection is to be closed.
  void Run();

 private:
  // A reply's header is longer than a request's by as much. Requests are read that far into the buffer, so that the
  // reply's header can be written before the payload where it stands, and both be sent in one call without a copy.
  static constexpr size_t kHeadroom = kReplyHeaderBytes - kRequestHeaderBytes;
  // On the stack. One page each, and only pages that are touched cost memory: an idle thread has touched neither.
  static constexpr size_t kBufferBytes = 4096;
  static constexpr size_t kRepliesBytes = 4096;

  bool MakeRoom(size_t frame_bytes);
  bool Answer(uint8_t* frame, size_t frame_bytes, bool more_follow);
  bool Reply(uint32_t id, uint32_t status, uint8_t* in_place, const uint8_t* payload, size_t payload_bytes,
             const Stamps& stamps);
  void Refuse(Status status, uint32_t id);
  bool Burn(uint64_t cpu_us);
  bool Flush();
  bool Send(const uint8_t* bytes, size_t count);
  void CloseGently();

  Server& server_;
  Upstream& upstream_;
  const int fd_;
  const uint32_t thread_;
  uint64_t received_ns_ = 0;
  uint8_t* buffer_ = own_;
  size_t capacity_ = kHeadroom + kBufferBytes;
  size_t at_ = kHeadroom;  // unread bytes are buffer_[at_..end_)
  size_t end_ = kHeadroom;
  size_t replies_ = 0;  // bytes of replies_buffer_ to be sent
  uint8_t own_[kHeadroom + kBufferBytes];
  uint8_t replies_buffer_[kRepliesBytes];
};

}  // namespace underloop::blocking
