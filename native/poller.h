// The poller contract: one class per mechanism, chosen by name; no #ifdef in a caller.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace underloop {

namespace uring {
class CompletionPoller;
}

// The bits of interest and readiness. src/poller/poller.ts has the same numbers, and a test compares the two.
enum Flags : int32_t {
  kReadable = 1,
  kWritable = 2,
  kPriority = 4,
  kReadClosed = 8,
  kHangup = 16,
  kError = 32,
  kInvalid = 64,
  kEdge = 256,
  kOneshot = 512,
  kExclusive = 1024,
};

struct Token {
  int32_t slot;
  int32_t generation;
};

// One event as the caller's Int32Array holds it.
struct Event {
  int32_t slot;
  int32_t generation;
  int32_t readiness;
};
static_assert(sizeof(Event) == 3 * sizeof(int32_t),
              "Event must have the layout of three Int32Array elements");

struct Capabilities {
  bool edge;
  bool oneshot;
  bool exclusive;
  bool nestable;
  int64_t fd_max;  // -1: no bound
  double resolution_ms;
};

// All calls return a value >= 0, or -errno. None blocks but Wait; none throws.
class Poller {
 public:
  virtual ~Poller() = default;
  virtual Capabilities capabilities() const = 0;
  virtual int fd() const = 0;
  virtual int Add(int fd, int32_t interest, Token token) = 0;
  virtual int Modify(int fd, int32_t interest, Token token) = 0;
  virtual int Remove(int fd) = 0;
  // timeout_ms: fractions allowed; < 0: without bound. Recomputes the deadline after EINTR.
  virtual int Wait(Event* events, int capacity, double timeout_ms) = 0;
  virtual void Wake() = 0;
  // Itself, where it also completes operations (uring/completions.h).
  virtual uring::CompletionPoller* completions() { return nullptr; }
  // Whether a Wake ended the last Wait, which then may have brought no event long before its time was over.
  bool woken() const { return woken_; }
  // From now on each Wait leaves in raw[i] what the mechanism itself said of events[i], untranslated: epoll's events,
  // poll's revents, select's sets (1 read, 2 write, 4 except), kqueue's flags with the filters above them.
  void TellRaw(uint32_t* raw, int capacity) {
    raw_ = raw;
    raw_capacity_ = capacity;
  }

 protected:
  void SetRaw(int i, uint32_t flags) {
    if (i < raw_capacity_) raw_[i] = flags;
  }
  void AddRaw(int i, uint32_t flags) {
    if (i < raw_capacity_) raw_[i] |= flags;
  }
  uint32_t* raw_ = nullptr;
  int raw_capacity_ = 0;  // 0: nobody asks
  bool woken_ = false;    // each Wait sets it
};

// What of a mechanism can be opened here, best first.
std::vector<std::string_view> PollerKinds();

// Opens one; on failure the result is null and *error holds -errno (-ENOTSUP for a kind not built here).
std::unique_ptr<Poller> OpenPoller(std::string_view kind, int* error);

// One per file; each returns null and sets *error when it fails.
std::unique_ptr<Poller> OpenEpoll(int* error);
std::unique_ptr<Poller> OpenKqueue(int* error);
std::unique_ptr<Poller> OpenPoll(int* error);
std::unique_ptr<Poller> OpenSelect(int* error);

// 0 when `fd` can be "not ready yet"; -EPERM for what epoll_ctl(2) refuses with it; -EBADF for what is not open.
int CheckPollable(int fd);

// CLOCK_MONOTONIC in milliseconds, with fractions.
double MonotonicMs();

// The time left of one bounded wait, so that EINTR never lengthens it (signal(7): epoll_wait, poll and select are
// never restarted, whatever SA_RESTART says).
class Deadline {
 public:
  explicit Deadline(double timeout_ms)
      : timeout_ms_(timeout_ms), end_ms_(timeout_ms > 0 ? MonotonicMs() + timeout_ms : 0) {}
  bool unbounded() const { return timeout_ms_ < 0; }
  // What is left; the first call costs no clock read.
  double RemainingMs() {
    if (timeout_ms_ <= 0 || fresh_) {
      fresh_ = false;
      return timeout_ms_;
    }
    const double left_ms = end_ms_ - MonotonicMs();
    return left_ms > 0 ? left_ms : 0;
  }

 private:
  double timeout_ms_;
  double end_ms_;
  bool fresh_ = true;
};

// Milliseconds to a timespec, rounded up to a whole nanosecond: never early.
struct timespec ToTimespec(double timeout_ms);

}  // namespace underloop
