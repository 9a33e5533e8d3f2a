// The poller over a ring: one io_uring_enter submits all that was staged, and waits for completions and for readiness.
// What is to be waited on for readiness (the runtime's loop, an upstream) is in an epoll set that the ring watches.
#include <cerrno>
#include <cstring>

#include "../poller.h"
#include "completions.h"
#include "operations.h"

namespace underloop::uring {
namespace {

class UringPoller final : public CompletionPoller {
 public:
  explicit UringPoller(const Options& options, OpenDescriptors* descriptors)
      : operations_(options, descriptors, &area) {}

  ~UringPoller() override {
    const bool quiet = operations_.Quiesce();
    // Were an operation in flight still, the kernel would write into memory that is somebody else's by then: leak it.
    if (area.arena != nullptr && quiet) area.arena->Unref();
    for (SharedBlock* block : {area.records, area.rows, area.counts}) {
      if (block != nullptr) block->Unref();
    }
  }

  int Open(const char** what) {
    *what = "epoll_create1";
    int error = 0;
    epoll_ = OpenEpoll(&error);
    return epoll_ == nullptr ? error : operations_.Open(epoll_->fd(), what);
  }

  Capabilities capabilities() const override {
    Capabilities inner = epoll_->capabilities();
    // What is staged is submitted by its own wait alone, so another poller cannot wait in its place.
    inner.nestable = false;
    inner.resolution_ms = 1e-6;
    return inner;
  }
  int fd() const override { return -1; }
  int ring_fd() const override { return operations_.ring_fd(); }
  Found found() const override { return operations_.found(); }

  // The ring's own descriptor stands for its completions: readable means that there are rows.
  int Add(int fd, int32_t interest, Token token) override {
    if (fd != ring_fd()) return epoll_->Add(fd, interest, token);
    has_token_ = true;
    token_ = token;
    return 0;
  }
  int Modify(int fd, int32_t interest, Token token) override {
    return fd == ring_fd() ? Add(fd, interest, token) : epoll_->Modify(fd, interest, token);
  }
  int Remove(int fd) override {
    if (fd != ring_fd()) return epoll_->Remove(fd);
    has_token_ = false;
    return 0;
  }
  void Wake() override { epoll_->Wake(); }

  int Wait(Event* events, int capacity, double timeout_ms) override {
    woken_ = false;
    int error = operations_.Submit();
    if (error < 0) return error;
    operations_.BeginRows();
    Deadline deadline(timeout_ms);
    for (;;) {
      const double left_ms = area.row_count() > 0 || operations_.epoll_ready() ? 0 : deadline.RemainingMs();
      error = operations_.Enter(left_ms);
      if (error < 0 && error != -ETIME && error != -EINTR && error != -EBUSY && error != -EAGAIN)
        return error;
      // What waits outside the queue may be a send that failed: it must be known before the connection sends again.
      if (operations_.Overflown()) continue;
      if (area.row_count() > 0 || operations_.epoll_ready() || left_ms == 0 || error == -ETIME) break;
    }
    int count = 0;
    const bool tells_rows = area.row_count() > 0 && has_token_;
    const int room = capacity - (tells_rows ? 1 : 0);
    if (operations_.epoll_ready() && room > 0) {
      operations_.EpollAsked();
      epoll_->TellRaw(raw_, raw_capacity_);
      count = epoll_->Wait(events, room, 0);
      woken_ = epoll_->woken();
      if (count < 0) return count;
    }
    if (tells_rows) {
      SetRaw(count, 0);
      events[count++] = {token_.slot, token_.generation, kReadable};
    }
    return count;
  }

  void GrowRecords() override {
    SharedBlock* bigger = SharedBlock::Make(area.records->size() * 2);
    memcpy(bigger->data(), area.records->data(), area.records->size());
    area.records->Unref();
    area.records = bigger;
  }

 private:
  std::unique_ptr<Poller> epoll_;
  Operations operations_;
  bool has_token_ = false;
  Token token_{};
};

}  // namespace

std::unique_ptr<CompletionPoller> OpenUring(const Options& options, OpenDescriptors* descriptors, int* error,
                                            const char** what) {
  auto poller = std::make_unique<UringPoller>(options, descriptors);
  *error = poller->Open(what);
  if (*error < 0) return nullptr;
  return poller;
}

}  // namespace underloop::uring
