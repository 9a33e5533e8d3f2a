// The epoll(7) poller: the kernel's 64 bits of user data hold the token, so no table is kept here.
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <ctime>

#include "poller.h"
#include "waker.h"

namespace underloop {
namespace {

// No caller can have it: slots and generations are never negative.
constexpr uint64_t kWakerData = ~uint64_t{0};

// How many events one epoll_wait may bring. Bounds the stack; the caller's capacity bounds it further.
constexpr int kBatchMax = 1024;

// Linux 5.11 takes nanoseconds (epoll_pwait2). The C library may lack the wrapper, so the call goes by number.
#ifdef SYS_epoll_pwait2
constexpr long kEpollPwait2 = SYS_epoll_pwait2;
#else
constexpr long kEpollPwait2 = 441;
#endif

uint32_t ToEpoll(int32_t interest) {
  uint32_t events = 0;
  // RDHUP goes with read interest: without it a half-close is seen only by reading. Linux refuses it (EINVAL) beside
  // EPOLLEXCLUSIVE, which is for listeners: those have no half-close.
  if (interest & kReadable) events |= (interest & kExclusive) ? EPOLLIN : EPOLLIN | EPOLLRDHUP;
  if (interest & kWritable) events |= EPOLLOUT;
  if (interest & kPriority) events |= EPOLLPRI;
  if (interest & kEdge) events |= EPOLLET;
  if (interest & kOneshot) events |= EPOLLONESHOT;
  if (interest & kExclusive) events |= EPOLLEXCLUSIVE;
  return events;
}

int32_t FromEpoll(uint32_t events) {
  int32_t readiness = 0;
  if (events & EPOLLIN) readiness |= kReadable;
  if (events & EPOLLOUT) readiness |= kWritable;
  if (events & EPOLLPRI) readiness |= kPriority;
  if (events & EPOLLRDHUP) readiness |= kReadClosed;
  if (events & EPOLLHUP) readiness |= kHangup;
  if (events & EPOLLERR) readiness |= kError;
  return readiness;
}

class EpollPoller final : public Poller {
 public:
  ~EpollPoller() override {
    if (epoll_fd_ >= 0) close(epoll_fd_);
  }

  int Open() {
    epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd_ < 0) return -errno;
    const int opened = waker_.Open();
    if (opened < 0) return opened;
    // Edge-triggered: a wake is reported once without our having to read the counter back.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = kWakerData;
    if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, waker_.read_fd(), &event) != 0) return -errno;
    WaitFine(&event, 1, timespec{});  // so that capabilities() are true before the first wait
    return 0;
  }

  Capabilities capabilities() const override {
    return {true, true, true, true, -1, has_pwait2_ ? 1e-6 : 1.0};
  }

  int fd() const override { return epoll_fd_; }

  int Add(int fd, int32_t interest, Token token) override {
    return Control(EPOLL_CTL_ADD, fd, interest, token);
  }

  int Modify(int fd, int32_t interest, Token token) override {
    return Control(EPOLL_CTL_MOD, fd, interest, token);
  }

  int Remove(int fd) override {
    epoll_event unused{};  // not null: kernels before 2.6.9 wanted one (epoll_ctl(2), BUGS)
    return epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, &unused) == 0 ? 0 : -errno;
  }

  int Wait(Event* events, int capacity, double timeout_ms) override {
    epoll_event ready[kBatchMax];
    if (capacity > kBatchMax) capacity = kBatchMax;
    Deadline deadline(timeout_ms);
    woken_ = false;
    for (;;) {
      const int n = WaitOnce(ready, capacity, deadline.RemainingMs());
      if (n == -EINTR) continue;
      if (n < 0) return n;
      int count = 0;
      for (int i = 0; i < n; i++) {
        const uint64_t data = ready[i].data.u64;
        if (data == kWakerData) {
          woken_ = true;
          continue;
        }
        SetRaw(count, ready[i].events);
        events[count++] = {static_cast<int32_t>(data >> 32), static_cast<int32_t>(data & 0xffffffffu),
                           FromEpoll(ready[i].events)};
      }
      return count;
    }
  }

  void Wake() override { waker_.Wake(); }

 private:
  int Control(int operation, int fd, int32_t interest, Token token) {
    epoll_event event{};
    event.events = ToEpoll(interest);
    event.data.u64 = (static_cast<uint64_t>(static_cast<uint32_t>(token.slot)) << 32) |
                     static_cast<uint32_t>(token.generation);
    return epoll_ctl(epoll_fd_, operation, fd, &event) == 0 ? 0 : -errno;
  }

  // With nanoseconds, where the kernel has that.
  int WaitFine(epoll_event* ready, int capacity, const timespec& timeout) {
    const long n = syscall(kEpollPwait2, epoll_fd_, ready, capacity, &timeout, nullptr, size_t{8});
    if (n >= 0) return static_cast<int>(n);
    // Latched: asked once per poller. Seccomp filters of containers answer EPERM to calls that they do not know.
    if (errno == ENOSYS || errno == EPERM) has_pwait2_ = false;
    return -errno;
  }

  int WaitOnce(epoll_event* ready, int capacity, double timeout_ms) {
    // Whole milliseconds, zero and forever need no finer call; epoll_wait is also the cheaper one.
    const bool fine = timeout_ms > 0 && timeout_ms != std::floor(timeout_ms);
    if (fine && has_pwait2_) {
      const int n = WaitFine(ready, capacity, ToTimespec(timeout_ms));
      if (has_pwait2_) return n;
    }
    int whole_ms = -1;
    if (timeout_ms >= 0) {
      // Rounded up, so that a timer is never early; a timer rounded down to 0 would spin instead.
      whole_ms = timeout_ms > 2147483647.0 ? 2147483647 : static_cast<int>(std::ceil(timeout_ms));
    }
    // By number: in a process with threads the C library puts two atomic operations around epoll_wait, a cancellation
    // point. Newer architectures have epoll_pwait alone.
#ifdef SYS_epoll_wait
    const long n = syscall(SYS_epoll_wait, epoll_fd_, ready, capacity, whole_ms);
#else
    const long n = syscall(SYS_epoll_pwait, epoll_fd_, ready, capacity, whole_ms, nullptr, size_t{8});
#endif
    return n >= 0 ? static_cast<int>(n) : -errno;
  }

  int epoll_fd_ = -1;
  bool has_pwait2_ = true;
  Waker waker_;
};

}  // namespace

std::unique_ptr<Poller> OpenEpoll(int* error) {
  auto poller = std::make_unique<EpollPoller>();
  *error = poller->Open();
  if (*error < 0) return nullptr;
  return poller;
}

}  // namespace underloop
