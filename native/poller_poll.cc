// The poll(2) poller: the whole interest list goes to the kernel and back at every wait. That cost is the point.
#include <poll.h>

#include <cerrno>
#include <cmath>
#include <ctime>
#include <unordered_map>

#include "poller.h"
#include "waker.h"

namespace underloop {
namespace {

short ToPoll(int32_t interest) {
  short events = 0;
  if (interest & kReadable) {
    events |= POLLIN;
#ifdef POLLRDHUP
    events |= POLLRDHUP;
#endif
  }
  if (interest & kWritable) events |= POLLOUT;
  if (interest & kPriority) events |= POLLPRI;
  return events;
}

int32_t FromPoll(short events) {
  int32_t readiness = 0;
  if (events & POLLIN) readiness |= kReadable;
  if (events & POLLOUT) readiness |= kWritable;
  if (events & POLLPRI) readiness |= kPriority;
#ifdef POLLRDHUP
  if (events & POLLRDHUP) readiness |= kReadClosed;
#endif
  if (events & POLLHUP) readiness |= kHangup;
  if (events & POLLERR) readiness |= kError;
  if (events & POLLNVAL) readiness |= kInvalid;
  return readiness;
}

class PollPoller final : public Poller {
 public:
  int Open() {
    const int opened = waker_.Open();
    if (opened < 0) return opened;
    entries_.push_back({waker_.read_fd(), POLLIN, 0});
    tokens_.push_back({-1, -1});
    return 0;
  }

  Capabilities capabilities() const override { return {false, false, false, false, -1, 1e-6}; }
  int fd() const override { return -1; }

  int Add(int fd, int32_t interest, Token token) override {
    if (interest & (kEdge | kOneshot | kExclusive)) return -ENOTSUP;
    if (const int refused = CheckPollable(fd); refused < 0) return refused;
    if (index_.count(fd) != 0) return -EEXIST;
    index_[fd] = entries_.size();
    entries_.push_back({fd, ToPoll(interest), 0});
    tokens_.push_back(token);
    return 0;
  }

  int Modify(int fd, int32_t interest, Token token) override {
    if (interest & (kEdge | kOneshot | kExclusive)) return -ENOTSUP;
    const auto found = index_.find(fd);
    if (found == index_.end()) return -ENOENT;
    entries_[found->second].events = ToPoll(interest);
    tokens_[found->second] = token;
    return 0;
  }

  int Remove(int fd) override {
    const auto found = index_.find(fd);
    if (found == index_.end()) return -ENOENT;
    // The last entry takes the place of the removed one: removal costs the same however long the list is.
    const size_t place = found->second;
    index_.erase(found);
    if (place + 1 != entries_.size()) {
      entries_[place] = entries_.back();
      tokens_[place] = tokens_.back();
      index_[entries_[place].fd] = place;
    }
    entries_.pop_back();
    tokens_.pop_back();
    return 0;
  }

  int Wait(Event* events, int capacity, double timeout_ms) override {
    Deadline deadline(timeout_ms);
    int n;
    do {
      n = WaitOnce(deadline.RemainingMs());
    } while (n == -EINTR);
    if (n < 0) return n;
    int count = 0;
    woken_ = entries_[0].revents != 0;
    if (woken_) {
      waker_.Drain();
      n--;
    }
    // Starts behind the last one reported, so that a full batch does not starve the end of the list.
    const size_t size = entries_.size();
    size_t at = next_ < size ? next_ : 1;
    for (size_t looked = 1; looked < size && n > 0 && count < capacity; looked++) {
      if (entries_[at].revents != 0) {
        SetRaw(count, static_cast<uint16_t>(entries_[at].revents));
        events[count++] = {tokens_[at].slot, tokens_[at].generation, FromPoll(entries_[at].revents)};
        n--;
      }
      if (++at >= size) at = 1;
    }
    next_ = at;
    return count;
  }

  void Wake() override { waker_.Wake(); }

 private:
  int WaitOnce(double timeout_ms) {
#ifdef __APPLE__
    // No ppoll: whole milliseconds, rounded up, never early.
    const int whole_ms =
        timeout_ms < 0 ? -1
                       : (timeout_ms > 2147483647.0 ? 2147483647 : static_cast<int>(std::ceil(timeout_ms)));
    const int n = poll(entries_.data(), static_cast<nfds_t>(entries_.size()), whole_ms);
#else
    timespec timeout{};
    if (timeout_ms >= 0) timeout = ToTimespec(timeout_ms);
    const int n = ppoll(entries_.data(), static_cast<nfds_t>(entries_.size()),
                        timeout_ms < 0 ? nullptr : &timeout, nullptr);
#endif
    return n >= 0 ? n : -errno;
  }

  std::vector<pollfd> entries_;  // entries_[0] is the waker
  std::vector<Token> tokens_;
  std::unordered_map<int, size_t> index_;
  size_t next_ = 1;
  Waker waker_;
};

}  // namespace

std::unique_ptr<Poller> OpenPoll(int* error) {
  auto poller = std::make_unique<PollPoller>();
  *error = poller->Open();
  if (*error < 0) return nullptr;
  return poller;
}

}  // namespace underloop
