// The select(2) poller: three bit sets of FD_SETSIZE bits, copied in and out at every wait.
#include <fcntl.h>
#include <sys/select.h>

#include <cerrno>
#include <ctime>

#include "poller.h"
#include "waker.h"

namespace underloop {
namespace {

class SelectPoller final : public Poller {
 public:
  int Open() {
    FD_ZERO(&read_);
    FD_ZERO(&write_);
    FD_ZERO(&except_);
    entries_.resize(FD_SETSIZE, {{0, 0}, 0, false});
    const int opened = waker_.Open();
    if (opened < 0) return opened;
    if (waker_.read_fd() >= FD_SETSIZE) return -ERANGE;
    FD_SET(waker_.read_fd(), &read_);
    highest_ = waker_.read_fd();
    return 0;
  }

  Capabilities capabilities() const override { return {false, false, false, false, FD_SETSIZE, 1e-3}; }
  int fd() const override { return -1; }

  int Add(int fd, int32_t interest, Token token) override {
    if (interest & (kEdge | kOneshot | kExclusive)) return -ENOTSUP;
    // FD_SET past FD_SETSIZE writes outside the set: undefined behaviour (select(2), BUGS). TypeScript explains it.
    if (fd >= FD_SETSIZE) return -ERANGE;
    if (const int refused = CheckPollable(fd); refused < 0) return refused;
    if (entries_[fd].present) return -EEXIST;
    Set(fd, interest, token);
    return 0;
  }

  int Modify(int fd, int32_t interest, Token token) override {
    if (interest & (kEdge | kOneshot | kExclusive)) return -ENOTSUP;
    if (fd < 0 || fd >= FD_SETSIZE || !entries_[fd].present) return -ENOENT;
    Set(fd, interest, token);
    return 0;
  }

  int Remove(int fd) override {
    if (fd < 0 || fd >= FD_SETSIZE || !entries_[fd].present) return -ENOENT;
    entries_[fd].present = false;
    FD_CLR(fd, &read_);
    FD_CLR(fd, &write_);
    FD_CLR(fd, &except_);
    while (highest_ > 0 && highest_ != waker_.read_fd() && !entries_[highest_].present) highest_--;
    return 0;
  }

  int Wait(Event* events, int capacity, double timeout_ms) override {
    Deadline deadline(timeout_ms);
    woken_ = false;
    int count = 0;  // of those whose fd was closed, at first
    bool asked = false;
    for (;;) {
      fd_set read = read_;
      fd_set write = write_;
      fd_set except = except_;
      if (asked) {
        for (int fd = 0; fd <= highest_; fd++) {
          if (IsInvalid(fd)) FD_CLR(fd, &read), FD_CLR(fd, &write), FD_CLR(fd, &except);
        }
      }
      // Once something is to be told, the others are only looked at.
      const double left_ms = asked ? 0 : deadline.RemainingMs();
      timespec timeout{};
      if (left_ms >= 0) timeout = ToTimespec(left_ms);
      int n = pselect(highest_ + 1, &read, &write, &except, left_ms < 0 ? nullptr : &timeout, nullptr);
      if (n < 0) {
        if (errno == EINTR) continue;
        if (errno != EBADF) return -errno;
        // One closed fd fails the whole call, unnamed. Ask each, and then wait for the others without it: they must not
        // stand still until somebody closes the watch. Another thread may close one more meanwhile: then there is a next wait.
        if (asked) return count;
        count = ReportInvalid(events, capacity);
        if (count == 0) return -EBADF;
        asked = true;
        continue;
      }
      woken_ = n > 0 && FD_ISSET(waker_.read_fd(), &read);
      if (woken_) {
        waker_.Drain();
        n--;
      }
      int at = next_ <= highest_ ? next_ : 0;
      for (int looked = 0; looked <= highest_ && n > 0 && count < capacity; looked++) {
        const Entry& entry = entries_[at];
        if (entry.present) {
          int32_t readiness = 0;
          if (FD_ISSET(at, &read)) readiness |= kReadable, n--;
          if (FD_ISSET(at, &write)) readiness |= kWritable, n--;
          if (FD_ISSET(at, &except)) readiness |= kPriority, n--;
          // The three sets have the numbers of the three bits.
          SetRaw(count, static_cast<uint32_t>(readiness));
          if (readiness != 0) events[count++] = {entry.token.slot, entry.token.generation, readiness};
        }
        if (++at > highest_) at = 0;
      }
      next_ = at;
      return count;
    }
  }

  void Wake() override { waker_.Wake(); }

 private:
  struct Entry {
    Token token;
    int32_t interest;
    bool present;
  };

  void Set(int fd, int32_t interest, Token token) {
    entries_[fd] = {token, interest, true};
    interest& kReadable ? FD_SET(fd, &read_) : FD_CLR(fd, &read_);
    interest& kWritable ? FD_SET(fd, &write_) : FD_CLR(fd, &write_);
    interest& kPriority ? FD_SET(fd, &except_) : FD_CLR(fd, &except_);
    if (fd > highest_) highest_ = fd;
  }

  bool IsInvalid(int fd) const { return entries_[fd].present && fcntl(fd, F_GETFD) < 0; }

  // Each closed fd, as what poll(2) would have called POLLNVAL. Half of the room is left to the others.
  int ReportInvalid(Event* events, int capacity) {
    const int most = capacity > 1 ? capacity / 2 : 1;
    int count = 0;
    for (int fd = 0; fd <= highest_ && count < most; fd++) {
      if (IsInvalid(fd)) {
        SetRaw(count, 0);  // select itself has said nothing of it
        events[count++] = {entries_[fd].token.slot, entries_[fd].token.generation, kInvalid};
      }
    }
    return count;
  }

  std::vector<Entry> entries_;
  fd_set read_;
  fd_set write_;
  fd_set except_;
  int highest_ = 0;
  int next_ = 0;
  Waker waker_;
};

}  // namespace

std::unique_ptr<Poller> OpenSelect(int* error) {
  auto poller = std::make_unique<SelectPoller>();
  *error = poller->Open();
  if (*error < 0) return nullptr;
  return poller;
}

}  // namespace underloop
