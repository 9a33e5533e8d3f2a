// System calls that block and have no readiness (getaddrinfo, reads of files), on a few threads of our own.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "waker.h"

namespace underloop {

// One call: what is asked, and what came of it.
struct OffloadCall {
  enum class Kind { kResolve, kReadFile, kReadChunk };
  Kind kind;
  double id;
  std::string text;  // host or path
  int fd = -1;
  int64_t offset = 0;
  size_t bytes_max = 0;

  int32_t result =
      0;  // >= 0, or -errno; what getaddrinfo refused as the runtime numbers it (-3000 and below)
  uint8_t* data = nullptr;  // malloc'ed, `result` bytes
  std::string addresses;    // numeric, one per line

  OffloadCall(Kind kind, double id) : kind(kind), id(id) {}
  OffloadCall(const OffloadCall&) = delete;
  OffloadCall& operator=(const OffloadCall&) = delete;
  ~OffloadCall();
};

// Threads start when they are needed, up to a bound, and wait for calls then. They hold the pool: closing it does not wait
// for a call that goes on (a name server that does not answer); its thread ends after it, and nobody hears of the outcome.
class Offload : public std::enable_shared_from_this<Offload> {
 public:
  // 0 or -errno.
  static int Open(size_t threads_max, std::shared_ptr<Offload>* result);
  void Close();

  // 0, or -errno when not even one thread could be started.
  int Submit(std::unique_ptr<OffloadCall> call);
  bool Cancel(double id);
  // The next call that is done; null if none is.
  std::unique_ptr<OffloadCall> Take();
  int fd() const { return waker_.read_fd(); }

 private:
  explicit Offload(size_t threads_max) : threads_max_(threads_max) {}
  static void* ThreadMain(void* argument);
  void Serve();

  std::mutex mutex_;
  std::condition_variable work_;
  std::deque<std::unique_ptr<OffloadCall>> queue_;
  std::deque<std::unique_ptr<OffloadCall>> done_;
  Waker waker_;
  size_t threads_max_;
  size_t threads_ = 0;
  size_t idle_ = 0;
  bool closed_ = false;
};

}  // namespace underloop
