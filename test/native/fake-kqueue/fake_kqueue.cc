// A scripted kqueue() and kevent(), after kqueue(2) of FreeBSD and macOS, and the virtual clock that goes with them.
#include "fake_kqueue.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>

FakeKqueue fake;

void FakeKqueue::Become(int fd, int filter, int flags, uint32_t fflags, intptr_t data) {
  conditions_[{fd, filter}] = {flags, fflags, data};
  if (const auto knote = Find(fd, filter); knote != knotes_.end()) knote->active = true;
}

void FakeKqueue::Cease(int fd, int filter) { conditions_.erase({fd, filter}); }

void FakeKqueue::CloseFd(int fd) {
  close(fd);
  knotes_.remove_if([fd](const Knote& knote) { return knote.fd == fd; });
  std::erase_if(conditions_, [fd](const auto& one) { return one.first.first == fd; });
}

std::vector<int> FakeKqueue::Filters(int fd) const {
  std::vector<int> filters;
  for (const Knote& knote : knotes_) {
    if (knote.fd == fd) filters.push_back(knote.filter);
  }
  std::sort(filters.rbegin(), filters.rend());
  return filters;
}

std::list<FakeKqueue::Knote>::iterator FakeKqueue::Find(int fd, int filter) {
  return std::find_if(knotes_.begin(), knotes_.end(),
                      [=](const Knote& knote) { return knote.fd == fd && knote.filter == filter; });
}

bool FakeKqueue::IsSo(const Knote& knote) const {
  if (conditions_.count({knote.fd, knote.filter}) != 0) return true;
  // A waker of the project's own is a real pipe, which is really written to.
  pollfd real = {knote.fd, POLLIN, 0};
  return knote.filter == EVFILT_READ && poll(&real, 1, 0) == 1 && (real.revents & POLLIN) != 0;
}

int FakeKqueue::Change(const struct kevent& change) {
  const int fd = static_cast<int>(change.ident);
#ifdef EVFILT_USER
  const bool is_user = change.filter == EVFILT_USER;
#else
  const bool is_user = false;
#endif
  if (!is_user && fcntl(fd, F_GETFD) < 0) return EBADF;
  auto knote = Find(fd, change.filter);
  if (knote == knotes_.end()) {
    if (!(change.flags & EV_ADD)) return ENOENT;
    if (const auto refusal = refusals_.find({fd, change.filter}); refusal != refusals_.end()) {
      const int error = refusal->second;
      refusals_.erase(refusal);
      return error;
    }
    knotes_.push_back(
        {fd, change.filter, change.flags, change.fflags, change.udata, !(change.flags & EV_DISABLE), false});
    knote = std::prev(knotes_.end());
  } else if (change.flags & EV_DELETE) {
    knotes_.erase(knote);
    return 0;
  } else {
    knote->udata = change.udata;
    if (change.flags & EV_ENABLE) knote->enabled = true;
    if (change.flags & EV_DISABLE) knote->enabled = false;
  }
  if (is_user && (change.fflags & NOTE_TRIGGER)) conditions_[{fd, change.filter}] = {0, 0, 0};
  if (IsSo(*knote)) knote->active = true;
  return 0;
}

int FakeKqueue::Scan(struct kevent* events, int events_max) {
  int count = 0;
  size_t left = knotes_.size();
  for (auto at = knotes_.begin(); left > 0 && count < events_max; left--) {
    const auto knote = at++;
    const bool is_clear = (knote->flags & EV_CLEAR) != 0;
    if (!knote->enabled || !IsSo(*knote) || (is_clear && !knote->active)) continue;
    const auto condition = conditions_.find({knote->fd, knote->filter});
    const Condition is = condition == conditions_.end() ? Condition{} : condition->second;
    events[count++] = {static_cast<uintptr_t>(knote->fd),
                       static_cast<int16_t>(knote->filter),
                       static_cast<uint16_t>(knote->flags | is.flags),
                       is.fflags,
                       is.data,
                       knote->udata};
    knote->active = false;
#ifdef EVFILT_USER
    if (knote->filter == EVFILT_USER && is_clear) conditions_.erase(condition);
#endif
    if (knote->flags & EV_DISPATCH) knote->enabled = false;
    // To the tail: whatever did not fit comes first the next time.
    if (knote->flags & EV_ONESHOT) {
      knotes_.erase(knote);
    } else {
      knotes_.splice(knotes_.end(), knotes_, knote);
    }
  }
  return count;
}

int FakeKqueue::Kevent(const struct kevent* changes, int changes_count, struct kevent* events, int events_max,
                       const timespec* timeout) {
  const double timeout_ms =
      timeout == nullptr ? -1 : static_cast<double>(timeout->tv_sec) * 1e3 + timeout->tv_nsec / 1e6;
  calls.push_back({{changes, changes + changes_count}, events_max, timeout_ms});
  int answers = 0;
  for (int i = 0; i < changes_count; i++) {
    struct kevent change = changes[i];
    const int error = Change(change);
    if (error == 0 && !(change.flags & EV_RECEIPT)) continue;
    if (answers == events_max) {
      errno = error;
      return -1;
    }
    change.flags |= EV_ERROR;
    change.data = error;
    events[answers++] = change;
  }
  if (changes_count > 0 && std::exchange(is_change_interrupted, false)) {
    errno = EINTR;
    return -1;
  }
  if (answers > 0 || events_max == 0) return answers;

  const int64_t timeout_ns =
      timeout == nullptr ? -1 : timeout->tv_sec * int64_t{1000000000} + timeout->tv_nsec;
  for (;;) {
    if (const int count = Scan(events, events_max); count > 0 || timeout_ns == 0) return count;
    if (!interruptions_ms.empty()) {
      const int64_t after_ns = std::llround(interruptions_ms.front() * 1e6);
      if (timeout_ns < 0 || after_ns < timeout_ns) {
        interruptions_ms.pop_front();
        now_ns += after_ns;
        errno = EINTR;
        return -1;
      }
    }
    if (meanwhile) {
      std::exchange(meanwhile, nullptr)();
      continue;
    }
    if (timeout_ns < 0) {
      std::fprintf(stderr, "kevent() would never return: nothing is so, and nothing is going to be\n");
      std::abort();
    }
    now_ns += timeout_ns;
    return 0;
  }
}

extern "C" {

int kqueue(void) {
  if (fake.open_error != 0) {
    errno = fake.open_error;
    return -1;
  }
  return open("/dev/null", O_RDONLY | O_CLOEXEC);  // a number that is really taken, and really closed
}

int kevent(int, const struct kevent* changelist, int nchanges, struct kevent* eventlist, int nevents,
           const struct timespec* timeout) {
  return fake.Kevent(changelist, nchanges, eventlist, nevents, timeout);
}

// The poller's sources are compiled with -Dclock_gettime=fake_clock_gettime.
int fake_clock_gettime(clockid_t, struct timespec* now) noexcept {
  now->tv_sec = fake.now_ns / 1000000000;
  now->tv_nsec = fake.now_ns % 1000000000;
  return 0;
}
}
