// The script of the fake kqueue: what is so of which descriptor, which calls fail, and what the poller has called.
#pragma once

#include <sys/event.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <set>
#include <utility>
#include <vector>

struct FakeCall {
  std::vector<struct kevent> changes;
  int events_max;
  double timeout_ms;  // -1: none was given
};

// One kqueue in memory with a virtual clock. Where the man pages leave something open, it does what helps least: a filter
// that is added again keeps its old EV_CLEAR and EV_DISPATCH and stays disabled, and returned events echo all flags.
class FakeKqueue {
 public:
  // It becomes so, and stays so, that `fd` has reached `filter`; `flags`, `fflags` and `data` are reported with it.
  void Become(int fd, int filter, int flags = 0, uint32_t fflags = 0, intptr_t data = 1);
  void Cease(int fd, int filter);
  // Closes the real descriptor too; the kernel takes its filters away without a word (kqueue(2)).
  void CloseFd(int fd);
  // The next EV_ADD of this filter is refused.
  void Refuse(int fd, int filter, int error) { refusals_[{fd, filter}] = error; }

  // How long each of the next waits lasts until a signal interrupts it.
  std::deque<double> interruptions_ms;
  // A signal interrupts the next call with changes, after they have been applied.
  bool is_change_interrupted = false;
  // Run once when a wait finds nothing: what another thread does meanwhile.
  std::function<void()> meanwhile;
  // What kqueue() itself fails with; 0: it does not.
  int open_error = 0;
  std::vector<FakeCall> calls;
  // Filters that are registered for `fd`, lowest number last.
  std::vector<int> Filters(int fd) const;

  int64_t now_ns = 1000;

  int Kevent(const struct kevent* changes, int changes_count, struct kevent* events, int events_max,
             const timespec* timeout);

 private:
  struct Knote {
    int fd;
    int filter;
    int flags;
    uint32_t fflags;
    void* udata;
    bool enabled;
    bool active;  // something has happened since it was last reported
  };
  struct Condition {
    int flags;
    uint32_t fflags;
    intptr_t data;
  };
  using Key = std::pair<int, int>;

  int Change(const struct kevent& change);
  int Scan(struct kevent* events, int events_max);
  std::list<Knote>::iterator Find(int fd, int filter);
  bool IsSo(const Knote& knote) const;

  std::list<Knote> knotes_;  // in the order in which they are looked at
  std::map<Key, Condition> conditions_;
  std::map<Key, int> refusals_;
};

extern FakeKqueue fake;
