// The kqueue(2) poller: two filters per descriptor, merged into one event. It calls only kqueue() and kevent(), so that
// it also runs on any library that offers these two.
#include <sys/event.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <iterator>
#include <utility>

#include "poller.h"
#include "waker.h"

namespace underloop {
namespace {

// How many kevents one wait may bring. Bounds the stack; the caller's capacity bounds it further.
constexpr int kBatchMax = 1024;

#ifdef __linux__
// Here kqueue is a library, and its descriptor one end of a pipe that nobody writes to.
constexpr bool kNestable = false;
#else
constexpr bool kNestable = true;
#endif

struct Filter {
  int16_t number;
  uint32_t fflags;
  int32_t interest;
};
constexpr Filter kFilters[] = {
    {EVFILT_READ, 0, kReadable},
    {EVFILT_WRITE, 0, kWritable},
#if defined(EVFILT_EXCEPT) && defined(NOTE_OOB)
    {EVFILT_EXCEPT, NOTE_OOB, kPriority},
#endif
};
constexpr int kFiltersMax = static_cast<int>(std::size(kFilters));

constexpr int32_t Supported() {
  int32_t bits = kEdge | kOneshot;
  for (const Filter& filter : kFilters) bits |= filter.interest;
  return bits;
}

// The token travels in the pointer that the kernel hands back: slot in the upper half, generation in the lower.
using UserData = decltype(std::declval<struct kevent>().udata);
static_assert(sizeof(UserData) == sizeof(uint64_t), "a token needs 64 bits of user data");

UserData ToUserData(Token token) {
  return (UserData)((static_cast<uint64_t>(static_cast<uint32_t>(token.slot)) << 32) |
                    static_cast<uint32_t>(token.generation));
}

Token FromUserData(UserData data) {
  const uint64_t bits = (uint64_t)data;
  return {static_cast<int32_t>(bits >> 32), static_cast<int32_t>(bits & 0xffffffffu)};
}

// EV_CLEAR is the edge trigger. EV_DISPATCH disables the filter when it has reported, where EV_ONESHOT would delete it:
// a registration that is spent can then be told from one that the kernel has forgotten.
int TriggerFlags(int32_t interest) {
  return ((interest & kEdge) ? EV_CLEAR : 0) | ((interest & kOneshot) ? EV_DISPATCH : 0);
}

// Tested by bit: EV_EOF and EV_ERROR come beside others, for the flags of the registration are echoed.
int32_t FromKevent(const struct kevent& event) {
  if (event.flags & EV_ERROR) return kError;
  const bool eof = (event.flags & EV_EOF) != 0;
  int32_t readiness = 0;
  switch (event.filter) {
    case EVFILT_READ: readiness = kReadable | (eof ? kReadClosed : 0); break;
    // A write does not block then: it fails at once, as epoll's EPOLLOUT beside EPOLLHUP says too.
    case EVFILT_WRITE: readiness = kWritable | (eof ? kHangup : 0); break;
    default: return kPriority;
  }
  // With EV_EOF, fflags holds the socket's pending error (kqueue(2)).
  if (eof && event.fflags != 0) readiness |= kError;
  return readiness;
}

class KqueuePoller final : public Poller {
 public:
  ~KqueuePoller() override {
    if (kqueue_fd_ >= 0) close(kqueue_fd_);
  }

  int Open() {
    // Not inherited by a child (kqueue(2)), hence no FD_CLOEXEC.
    kqueue_fd_ = kqueue();
    if (kqueue_fd_ < 0) return -errno;
    struct kevent change;
#ifdef EVFILT_USER
    // EV_CLEAR: what was triggered is forgotten once it is reported; many wakes are one.
    EV_SET(&change, 0, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 0, UserData{});
#else
    const int opened = waker_.Open();
    if (opened < 0) return opened;
    // Level-triggered and drained: a full pipe would bring no edge any more.
    EV_SET(&change, static_cast<uintptr_t>(waker_.read_fd()), EVFILT_READ, EV_ADD, 0, 0, UserData{});
#endif
    return kevent(kqueue_fd_, &change, 1, nullptr, 0, nullptr) < 0 ? -errno : 0;
  }

  Capabilities capabilities() const override { return {true, true, false, kNestable, -1, 1e-6}; }
  int fd() const override { return kNestable ? kqueue_fd_ : -1; }

  int Add(int fd, int32_t interest, Token token) override {
    if (interest & ~Supported()) return -ENOTSUP;
    if (const int refused = CheckPollable(fd); refused < 0) return refused;
    if (Find(fd) != nullptr && !IsForgotten(fd)) return -EEXIST;
    const Entry added{token, interest, true};
    if (const Outcome outcome = Change(fd, {}, added); outcome.error < 0) {
      Change(fd, added, {});
      return outcome.error;
    }
    if (static_cast<size_t>(fd) >= entries_.size()) entries_.resize(static_cast<size_t>(fd) * 2 + 64);
    entries_[fd] = added;
    return 0;
  }

  int Modify(int fd, int32_t interest, Token token) override {
    if (interest & ~Supported()) return -ENOTSUP;
    Entry* entry = Find(fd);
    if (entry == nullptr) return -ENOENT;
    const Entry changed{token, interest, true};
    const Outcome outcome = Change(fd, *entry, changed);
    if (outcome.error == 0) {
      *entry = changed;
    } else if (outcome.forgotten) {
      // What was added belongs to whoever has the number now.
      Change(fd, changed, {});
      *entry = {};
    } else {
      Change(fd, changed, *entry);  // as it was before
    }
    return outcome.error;
  }

  int Remove(int fd) override {
    Entry* entry = Find(fd);
    if (entry == nullptr) return -ENOENT;
    const Outcome outcome = Change(fd, *entry, {});
    *entry = {};
    return outcome.error;
  }

  int Wait(Event* events, int capacity, double timeout_ms) override {
    struct kevent ready[kBatchMax];
    if (capacity > kBatchMax) capacity = kBatchMax;
    Deadline deadline(timeout_ms);
    woken_ = false;
    for (;;) {
      const double left_ms = deadline.RemainingMs();
      timespec timeout{};
      if (left_ms >= 0) timeout = ToTimespec(left_ms);
      const int n = kevent(kqueue_fd_, nullptr, 0, ready, capacity, left_ms < 0 ? nullptr : &timeout);
      if (n >= 0) return Merge(ready, n, events);
      if (errno != EINTR) return -errno;
    }
  }

  void Wake() override {
#ifdef EVFILT_USER
    struct kevent change;
    EV_SET(&change, 0, EVFILT_USER, 0, NOTE_TRIGGER, 0, UserData{});
    kevent(kqueue_fd_, &change, 1, nullptr, 0, nullptr);
#else
    waker_.Wake();
#endif
  }

 private:
  // What is in the kernel for one fd. kqueue itself would neither refuse a second EV_ADD nor name all that it holds.
  struct Entry {
    Token token{-1, -1};
    int32_t interest = 0;
    bool present = false;
    bool spent = false;  // a oneshot that has reported: its filters are there, and disabled
    // Where the events of the current batch are merged.
    int32_t fired = 0;
    int32_t index = 0;
    uint64_t batch = 0;
  };

  struct Outcome {
    int error;
    bool
        forgotten;  // the kernel had none of the old filters: the fd was closed, which takes them away silently
  };

  Entry* Find(int fd) {
    if (fd < 0 || static_cast<size_t>(fd) >= entries_.size() || !entries_[fd].present) return nullptr;
    return &entries_[fd];
  }

  // Takes the filters of `from` out and puts those of `to` in, in one call. Those in both are exchanged too: kqueue(2)
  // does not say that adding a filter again changes its EV_CLEAR and EV_DISPATCH, a new filter looks at what is so
  // (which rearms an edge), and only a deletion tells that the fd was closed meanwhile.
  Outcome Change(int fd, const Entry& from, const Entry& to) {
    struct kevent changes[2 * kFiltersMax];
    int count = 0;
    for (const Filter& filter : kFilters) {
      if (from.interest & filter.interest) Put(&changes[count++], fd, filter, EV_DELETE, from.token);
    }
    const int deletions = count;
    const int flags = EV_ADD | TriggerFlags(to.interest) | (to.spent ? EV_DISABLE : 0);
    for (const Filter& filter : kFilters) {
      if (to.interest & filter.interest) Put(&changes[count++], fd, filter, flags, to.token);
    }
    if (const int applied = Apply(changes, count); applied < 0) return {applied, false};

    bool found = deletions == 0;
    for (int i = 0; i < deletions; i++) found = found || changes[i].data == 0;
    for (int i = deletions; i < count; i++) {
      if (changes[i].data != 0) return {-static_cast<int>(changes[i].data), !found};
    }
    return {found ? 0 : -static_cast<int>(changes[0].data), !found};
  }

  // Whether the kernel has dropped `fd` since it was registered. Asked by a change that changes nothing: without EV_ADD
  // the answer for a filter that is not there is ENOENT.
  bool IsForgotten(int fd) {
    const Entry& entry = entries_[fd];
    for (const Filter& filter : kFilters) {
      if (!(entry.interest & filter.interest)) continue;
      struct kevent change;
      Put(&change, fd, filter, entry.spent ? EV_DISABLE : EV_ENABLE, entry.token);
      // Without a receipt, and without room for one: libkqueue leaves an older errno in that of such a change.
      change.flags &= ~EV_RECEIPT;
      return kevent(kqueue_fd_, &change, 1, nullptr, 0, nullptr) < 0 && (errno == ENOENT || errno == EBADF);
    }
    return false;
  }

  static void Put(struct kevent* change, int fd, const Filter& filter, int flags, Token token) {
    // EV_RECEIPT: each change is answered on its own, and no pending event is taken instead.
    EV_SET(change, static_cast<uintptr_t>(fd), filter.number, static_cast<uint16_t>(flags | EV_RECEIPT),
           filter.fflags, 0, ToUserData(token));
  }

  // Applies changes and leaves each one's errno, or 0, in its data. 0 or -errno.
  int Apply(struct kevent* changes, int count) {
    if (count == 0) return 0;
    const timespec at_once{};
    const int n = kevent(kqueue_fd_, changes, count, changes, count, &at_once);
    // When a signal interrupts it, all changes have been applied (kqueue(2)).
    if (n < 0 && errno != EINTR) return -errno;
    for (int i = 0; i < count; i++) {
      const bool answered = i < n && (changes[i].flags & EV_ERROR);
      if (!answered) changes[i].data = 0;
    }
    return 0;
  }

  // One event per fd, in the order of its first kevent. Each kevent is looked at twice at most, however they are mixed.
  int Merge(const struct kevent* ready, int n, Event* events) {
    batch_++;
    int count = 0;
    for (int i = 0; i < n; i++) {
      const struct kevent& one = ready[i];
      if (IsWaker(one)) {
        woken_ = true;
        DrainWaker();
        continue;
      }
      Entry* entry = Find(static_cast<int>(one.ident));
      if (entry == nullptr) continue;
      if (entry->batch != batch_) {
        entry->batch = batch_;
        entry->fired = 0;
        entry->index = count;
        const Token token = FromUserData(one.udata);
        SetRaw(count, 0);
        events[count++] = {token.slot, token.generation, 0};
      }
      for (const Filter& filter : kFilters) {
        if (filter.number != one.filter) continue;
        entry->fired |= filter.interest;
        AddRaw(entry->index, static_cast<uint32_t>(filter.interest) << 16 | one.flags);
      }
      events[entry->index].readiness |= FromKevent(one);
    }
    SpendOneshots(ready, n);
    return count;
  }

  // EV_DISPATCH has disabled the filter that reported; the other one of the same fd must not report after it.
  void SpendOneshots(const struct kevent* ready, int n) {
    disables_.clear();
    for (int i = 0; i < n; i++) {
      if (IsWaker(ready[i])) continue;
      Entry* entry = Find(static_cast<int>(ready[i].ident));
      if (entry == nullptr || entry->spent || !(entry->interest & kOneshot)) continue;
      entry->spent = true;
      for (const Filter& filter : kFilters) {
        if (!(entry->interest & ~entry->fired & filter.interest)) continue;
        disables_.emplace_back();
        Put(&disables_.back(), static_cast<int>(ready[i].ident), filter, EV_DISABLE, entry->token);
      }
    }
    // A refusal means that the fd is closed: then nothing can report.
    Apply(disables_.data(), static_cast<int>(disables_.size()));
  }

#ifdef EVFILT_USER
  static bool IsWaker(const struct kevent& event) { return event.filter == EVFILT_USER; }
  static void DrainWaker() {}
#else
  bool IsWaker(const struct kevent& event) const {
    return event.ident == static_cast<uintptr_t>(waker_.read_fd());
  }
  void DrainWaker() const { waker_.Drain(); }
  Waker waker_;
#endif

  int kqueue_fd_ = -1;
  std::vector<Entry> entries_;  // index = fd
  std::vector<struct kevent> disables_;
  uint64_t batch_ = 0;
};

}  // namespace

std::unique_ptr<Poller> OpenKqueue(int* error) {
  auto poller = std::make_unique<KqueuePoller>();
  *error = poller->Open();
  if (*error < 0) return nullptr;
  return poller;
}

}  // namespace underloop
