// What a ring is asked to do and what became of it: staged records become submissions, completions become rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "completions.h"
#include "pool.h"
#include "ring.h"

namespace underloop::uring {

inline uint64_t UserData(int32_t slot, int32_t generation, int32_t kind) {
  const uint32_t high = static_cast<uint32_t>(generation) << 8 | static_cast<uint32_t>(kind);
  return static_cast<uint64_t>(high) << 32 | static_cast<uint32_t>(slot);
}
inline int32_t KindOf(const Completion& completion) {
  return static_cast<int32_t>(completion.user_data >> 32 & 0xff);
}

class Operations {
 public:
  Operations(const Options& options, OpenDescriptors* descriptors, Area* area)
      : options_(options), descriptors_(descriptors), area_(area) {}
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  // Opens a ring with its pool and the area, and tries what version numbers do not tell (trials.cc). `epoll_fd` is that
  // of the set that the ring watches. 0, or -errno and what failed.
  int Open(int epoll_fd, const char** what);
  // Ends what is in flight. False: something is still, and the kernel may yet write into the arena.
  bool Quiesce();

  int ring_fd() const { return ring_.fd(); }
  Found found() const { return found_; }

  // What found no place among the last rows comes first now.
  void BeginRows();
  // Makes submissions of what is staged. They leave with the next Enter(). 0 or -errno.
  int Submit();
  // One io_uring_enter, and a row for each completion that has come. As Ring::Enter().
  int Enter(double timeout_ms) {
    const int error = ring_.Enter(timeout_ms);
    ring_.Reap([this](const Completion& completion) { Take(completion); });
    return error;
  }
  bool Overflown() const { return ring_.Overflown(); }

  // The epoll set has something to tell. Whoever has asked it calls EpollAsked().
  bool epoll_ready() const { return epoll_ready_; }
  void EpollAsked() { epoll_ready_ = false; }

 private:
  Submission* Next(int* error);
  void Fill(Submission* submission, const Record& record);
  void Take(const Completion& completion);
  void AppendRow(const Completion& completion);

  int OpenRing();
  int CheckFeatures(const char** what) const;
  int Await(int32_t kind, Completion* found);
  int TrySend();
  int TryReceive();

  const Options options_;
  OpenDescriptors* const descriptors_;
  Area* const area_;
  Pool pool_;  // outlives the ring, which is destroyed before it
  Ring ring_;
  Found found_{};
  int epoll_fd_ = -1;
  bool opened_ = false;
  bool epoll_armed_ = false;
  bool epoll_ready_ = false;
  int32_t in_flight_ = 0;  // operations that complete later: none of them a send
  size_t rows_capacity_ = 0;
  std::vector<Completion> spilled_;
};

}  // namespace underloop::uring
