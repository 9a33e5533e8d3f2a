// One ring: the two queues that are shared with the kernel, and the calls that move them. No policy.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi.h"

namespace underloop::uring {

class Ring {
 public:
  Ring() = default;
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  // No operation may be in flight any more: the kernel would go on with it after this.
  ~Ring();

  // 0 or -errno. `flags` are setup flags that the caller has chosen. Close-on-exec is the kernel's own default.
  int Open(uint32_t sq_entries, uint32_t cq_entries, uint32_t flags);
  int fd() const { return fd_; }
  uint32_t features() const { return features_; }
  bool Supports(uint8_t opcode) const;
  // Spares each enter the look-up of its descriptor. Linux 5.18; without it all goes on as before.
  bool RegisterOwnFd();
  bool registered() const { return registered_ >= 0; }
  int Register(uint32_t what, void* argument, uint32_t count);

  // The next submission, zeroed; null when the queue is full: Enter() first.
  Submission* Next();
  uint32_t unsubmitted() const { return tail_ - submitted_; }

  // Submits what was queued, and waits until there is a completion, for at most `timeout_ms` (0: only looks; < 0: without
  // bound). 0, or -errno: -ETIME and -EINTR among them.
  int Enter(double timeout_ms);
  // Submits what was queued and nothing else.
  int Submit();
  // Completions wait outside the queue for room in it: the next Enter() brings them.
  bool Overflown() const;

  // Calls take(completion) for each that has come.
  template <typename F>
  void Reap(F take) {
    uint32_t head = *cq_head_;
    const uint32_t tail = __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE);
    for (; head != tail; head++) take(completions_[head & cq_mask_]);
    __atomic_store_n(cq_head_, head, __ATOMIC_RELEASE);
  }

 private:
  int EnterOnce(uint32_t wanted, uint32_t flags, double timeout_ms);

  int fd_ = -1;
  int registered_ = -1;
  uint32_t features_ = 0;
  void* rings_ = nullptr;
  size_t rings_bytes_ = 0;
  Submission* submissions_ = nullptr;
  size_t submissions_bytes_ = 0;
  uint32_t* sq_head_ = nullptr;
  uint32_t* sq_tail_ = nullptr;
  uint32_t* sq_flags_ = nullptr;
  uint32_t* cq_head_ = nullptr;
  uint32_t* cq_tail_ = nullptr;
  Completion* completions_ = nullptr;
  uint32_t sq_mask_ = 0;
  uint32_t cq_mask_ = 0;
  uint32_t tail_ = 0;       // of what is filled
  uint32_t submitted_ = 0;  // of what the kernel has taken
};

}  // namespace underloop::uring
