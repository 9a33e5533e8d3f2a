// The poller over a ring: one io_uring_enter submits all that was staged, and waits for completions and for readiness.
// What is to be waited on for readiness (the runtime's loop, an upstream) is in an epoll set that the ring watches.
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <vector>

#include "../poller.h"
#include "completions.h"
#include "pool.h"
#include "ring.h"

namespace underloop::uring {
namespace {

constexpr uint32_t kSqEntries = 1024;  // more are submitted in portions
constexpr int32_t kRecordsAtFirst = 1024;
// Room for what is sent and does not stand in the pool. What does not fit waits in its connection's queue.
constexpr int32_t kStagingBytes = 512 * 1024;
// Buffers whose beginnings lie a power of two apart would share few sets of the processor's caches.
constexpr int32_t kColourBytes = 320;

// Closing waits for what is in flight to be cancelled, which takes microseconds.
constexpr double kQuiesceMs = 1000;
constexpr double kTrialMs = 1000;

uint64_t UserData(int32_t slot, int32_t generation, int32_t kind) {
  const uint32_t high = static_cast<uint32_t>(generation) << 8 | static_cast<uint32_t>(kind);
  return static_cast<uint64_t>(high) << 32 | static_cast<uint32_t>(slot);
}
int32_t KindOf(const Completion& completion) {
  return static_cast<int32_t>(completion.user_data >> 32 & 0xff);
}

class UringPoller final : public CompletionPoller {
 public:
  explicit UringPoller(const Options& options, OpenDescriptors* descriptors)
      : options_(options), descriptors_(descriptors) {}

  ~UringPoller() override {
    const bool quiet = ring_.fd() < 0 || !opened_ || Quiesce();
    // Were an operation in flight still, the kernel would write into memory that is somebody else's by then: leak it.
    if (arena != nullptr && quiet) arena->Unref();
    for (SharedBlock* block : {records, rows, counts}) {
      if (block != nullptr) block->Unref();
    }
  }

  int Open(const char** what) {
    *what = "epoll_create1";
    int error = 0;
    epoll_ = OpenEpoll(&error);
    if (epoll_ == nullptr) return error;
    *what = "io_uring_setup";
    error = OpenRing();
    if (error < 0) return error;
    const int missing = CheckFeatures(what);
    if (missing < 0) return missing;
    *what = "IORING_REGISTER_PBUF_RING (Linux 5.19)";
    error = pool_.Open(&ring_, options_.buffers);
    if (error < 0) return error;
    found_.multishot_accept = options_.multishot;
    found_.registered_fd = ring_.RegisterOwnFd();

    stride = options_.buffer_bytes + kColourBytes;
    staging_start = options_.buffers * stride;
    arena = SharedBlock::Make(static_cast<size_t>(staging_start + kStagingBytes));
    records = SharedBlock::Make(kRecordsAtFirst * sizeof(Record));
    rows_capacity_ = static_cast<size_t>(options_.cq_entries) * 2;
    rows = SharedBlock::Make(rows_capacity_ * sizeof(CompletionRow));
    counts = SharedBlock::Make(4 * sizeof(int32_t));
    pool_.Fill(arena->data(), stride, options_.buffer_bytes);
    opened_ = true;
    *what = "a send that reports only what it did not send";
    error = TrySend();
    if (error < 0) return error;
    *what = "a receive into provided buffers";
    return TryReceive();
  }

  Capabilities capabilities() const override {
    Capabilities inner = epoll_->capabilities();
    // What is staged is submitted by its own wait alone, so another poller cannot wait in its place.
    inner.nestable = false;
    inner.resolution_ms = 1e-6;
    return inner;
  }
  int fd() const override { return -1; }
  int ring_fd() const override { return ring_.fd(); }
  Found found() const override { return found_; }

  // The ring's own descriptor stands for its completions: readable means that there are rows.
  int Add(int fd, int32_t interest, Token token) override {
    if (fd != ring_.fd()) return epoll_->Add(fd, interest, token);
    has_token_ = true;
    token_ = token;
    return 0;
  }
  int Modify(int fd, int32_t interest, Token token) override {
    return fd == ring_.fd() ? Add(fd, interest, token) : epoll_->Modify(fd, interest, token);
  }
  int Remove(int fd) override {
    if (fd != ring_.fd()) return epoll_->Remove(fd);
    has_token_ = false;
    return 0;
  }
  void Wake() override { epoll_->Wake(); }

  int Wait(Event* events, int capacity, double timeout_ms) override {
    woken_ = false;
    int error = Submit();
    if (error < 0) return error;
    BeginRows();
    Deadline deadline(timeout_ms);
    for (;;) {
      const double left_ms = row_count() > 0 || epoll_ready_ ? 0 : deadline.RemainingMs();
      error = ring_.Enter(left_ms);
      Reap();
      if (error < 0 && error != -ETIME && error != -EINTR && error != -EBUSY && error != -EAGAIN)
        return error;
      // What waits outside the queue may be a send that failed: it must be known before the connection sends again.
      if (ring_.Overflown()) continue;
      if (row_count() > 0 || epoll_ready_ || left_ms == 0 || error == -ETIME) break;
    }
    int count = 0;
    const bool tells_rows = row_count() > 0 && has_token_;
    const int room = capacity - (tells_rows ? 1 : 0);
    if (epoll_ready_ && room > 0) {
      epoll_ready_ = false;
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
    SharedBlock* bigger = SharedBlock::Make(records->size() * 2);
    memcpy(bigger->data(), records->data(), records->size());
    records->Unref();
    records = bigger;
  }

 private:
  int32_t& record_count() { return reinterpret_cast<int32_t*>(counts->data())[0]; }
  int32_t& row_count() { return reinterpret_cast<int32_t*>(counts->data())[1]; }
  int32_t& wait_count() { return reinterpret_cast<int32_t*>(counts->data())[2]; }
  int32_t& send_row_count() { return reinterpret_cast<int32_t*>(counts->data())[3]; }

  int OpenRing() {
    // The best first; a kernel that does not know a flag refuses all of them (EINVAL).
    const uint32_t choices[] = {kSetupSingleIssuer | kSetupDeferTaskrun | kSetupSubmitAll,
                                kSetupCoopTaskrun | kSetupSubmitAll, kSetupSubmitAll, 0};
    int error = -EINVAL;
    for (const uint32_t flags : choices) {
      if (!options_.deferred && (flags & kSetupDeferTaskrun) != 0) continue;
      const auto cq_entries = static_cast<uint32_t>(options_.cq_entries);
      error = ring_.Open(cq_entries < kSqEntries ? cq_entries : kSqEntries, cq_entries, flags);
      found_.deferred = (flags & kSetupDeferTaskrun) != 0;
      found_.submit_all = (flags & kSetupSubmitAll) != 0;
      if (error != -EINVAL) break;
    }
    return error;
  }

  int CheckFeatures(const char** what) {
    const struct {
      uint32_t feature;
      const char* name;
    } features[] = {{kFeatureNoDrop, "IORING_FEAT_NODROP (Linux 5.5)"},
                    {kFeatureFastPoll, "IORING_FEAT_FAST_POLL (Linux 5.7)"},
                    {kFeatureExtArg, "IORING_FEAT_EXT_ARG (Linux 5.11)"},
                    {kFeatureCqeSkip, "IORING_FEAT_CQE_SKIP (Linux 5.17)"}};
    for (const auto& [feature, name] : features) {
      *what = name;
      if ((ring_.features() & feature) == 0) return -ENOTSUP;
    }
    *what = "one of the operations accept, recv, send, poll, cancel and close";
    for (const uint8_t opcode : {kPollAdd, kAccept, kAsyncCancel, kClose, kSend, kRecv}) {
      if (!ring_.Supports(opcode)) return -ENOTSUP;
    }
    return 0;
  }

  // ---- Submitting -----------------------------------------------------------------------------------------

  // What found no place among the last rows comes first now.
  void BeginRows() {
    row_count() = send_row_count() = 0;
    const size_t room = rows_capacity_ / 2;
    const size_t count = spilled_.size() < room ? spilled_.size() : room;
    for (size_t i = 0; i < count; i++) AppendRow(spilled_[i]);
    spilled_.erase(spilled_.begin(), spilled_.begin() + static_cast<ptrdiff_t>(count));
  }

  // A submission, even if the queue is full: what is in it is submitted then.
  Submission* Next(int* error) {
    Submission* submission = ring_.Next();
    while (submission == nullptr) {
      *error = ring_.Submit();
      if (*error < 0) return nullptr;
      submission = ring_.Next();
    }
    return submission;
  }

  // Makes submissions of what is staged. They leave with the next Enter().
  int Submit() {
    const auto* staged = reinterpret_cast<const Record*>(records->data());
    const int32_t count = record_count();
    record_count() = 0;
    wait_count()++;
    int error = 0;
    // The sends' buffers first: they are known only now, and must not go back.
    for (int32_t i = 0; i < count; i++) {
      if (staged[i].kind == kSendNow && staged[i].start < staging_start) {
        pool_.SendFrom(static_cast<uint16_t>(staged[i].start / stride));
      }
    }
    pool_.NextWait();
    for (int32_t i = 0; i < count; i++) {
      if (staged[i].kind == kNothing) continue;
      Submission* submission = Next(&error);
      if (submission == nullptr) return error;
      Fill(submission, staged[i]);
    }
    if (!epoll_armed_) {
      Submission* submission = Next(&error);
      if (submission == nullptr) return error;
      submission->opcode = kPollAdd;
      submission->fd = epoll_->fd();
      submission->operation_flags = PollBits(POLLIN);
      submission->user_data = UserData(0, 0, kEpoll);
      epoll_armed_ = true;
      in_flight_++;
    }
    return 0;
  }

  // The kernel reads the 32 bits of a poll as two halves, low half first.
  static uint32_t PollBits(uint32_t bits) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return bits << 16 | bits >> 16;
#else
    return bits;
#endif
  }

  void Fill(Submission* submission, const Record& record) {
    submission->fd = record.fd;
    submission->user_data = UserData(record.slot, record.generation, record.kind);
    switch (record.kind) {
      case kAcceptOn:
        SetBlocking(record.fd, true);
        submission->opcode = kAccept;
        submission->io_priority = found_.multishot_accept ? kAcceptMultishot : 0;
        submission->operation_flags = SOCK_CLOEXEC;  // and not non-blocking: see SetBlocking()
        in_flight_++;
        break;
      case kReceiveOn:
        submission->opcode = kRecv;
        submission->io_priority = found_.multishot_receive ? kRecvMultishot : 0;
        submission->flags = kSelectBuffer;
        submission->buffer_group = kPoolGroup;
        in_flight_++;
        break;
      case kSendNow: {
        const int64_t end = static_cast<int64_t>(record.start) + record.length;
        assert(record.start >= 0 && record.length >= 0 && end <= static_cast<int64_t>(arena->size()));
        const bool inside =
            record.start >= 0 && record.length >= 0 && end <= static_cast<int64_t>(arena->size());
        submission->opcode = kSend;
        submission->address = reinterpret_cast<uint64_t>(arena->data() + (inside ? record.start : 0));
        submission->length = inside ? static_cast<uint32_t>(record.length) : 0;
        // DONTWAIT: it is over when it has been submitted, so that no slow reader holds a buffer. WAITALL: to send less
        // is a failure, and so is told although success is not.
        submission->operation_flags = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_WAITALL;
        submission->flags = record.report != 0 ? 0 : kSkipSuccess;
        break;
      }
      case kWhenWritable:
        submission->opcode = kPollAdd;
        submission->operation_flags = PollBits(POLLOUT);
        in_flight_++;
        break;
      case kCancelAllOf:
        submission->opcode = kAsyncCancel;
        submission->operation_flags = kCancelFd | kCancelAll;
        submission->flags = kSkipSuccess;
        break;
      case kCancelReceive:
        submission->opcode = kAsyncCancel;
        submission->fd = -1;
        submission->address = UserData(record.slot, record.generation, kReceiveOn);
        submission->flags = kSkipSuccess;
        break;
      case kCloseFd:
        submission->opcode = kClose;
        submission->flags = kSkipSuccess;
        descriptors_->Closed(record.fd);
        break;
      default:
        assert(false);
        submission->opcode = kNop;
        submission->flags = kSkipSuccess;
    }
  }

  // ---- Completions ----------------------------------------------------------------------------------------

  void Reap() {
    ring_.Reap([this](const Completion& completion) { Take(completion); });
  }

  void Take(const Completion& completion) {
    const int32_t kind = KindOf(completion);
    const bool last = (completion.flags & kCompletionMore) == 0;
    if (last && (kind == kAcceptOn || kind == kReceiveOn || kind == kWhenWritable || kind == kEpoll))
      in_flight_--;
    if (kind == kEpoll) {
      epoll_armed_ = false;
      epoll_ready_ = completion.result != -ECANCELED;
      return;
    }
    if (kind == kAcceptOn) descriptors_->Opened(completion.result);
    if ((completion.flags & kCompletionBuffer) != 0) pool_.Taken();
    if (kind == kReceiveOn && completion.result == -ENOBUFS) pool_.Starved();
    if (kind == kCancelAllOf || kind == kCancelReceive || kind == kCloseFd)
      return;  // there was nothing to cancel
    // How sends ended must be told now, before anybody sends again: one half of the rows is theirs, and JavaScript
    // stages no more sends for a wait than that.
    const bool is_send = kind == kSendNow;
    const int32_t taken = is_send ? send_row_count() : row_count() - send_row_count();
    if (static_cast<size_t>(taken) < rows_capacity_ / 2) {
      AppendRow(completion);
    } else {
      assert(!is_send);
      spilled_.push_back(completion);
    }
  }

  void AppendRow(const Completion& completion) {
    memcpy(rows->data() + static_cast<size_t>(row_count()) * sizeof(CompletionRow), &completion,
           sizeof completion);
    row_count()++;
    if (KindOf(completion) == kSendNow) send_row_count()++;
    if ((completion.flags & kCompletionBuffer) != 0) {
      pool_.Delivered(static_cast<uint16_t>(completion.flags >> kCompletionBufferShift));
    }
  }

  // ---- Trials: what is not certain from version numbers ---------------------------------------------------

  struct Pair {
    int ends[2] = {-1, -1};
    int Open() { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno; }
    ~Pair() {
      for (const int end : ends) {
        if (end >= 0) close(end);
      }
    }
  };

  // Waits until there is a completion of `kind`, and gives it.
  int Await(int32_t kind, Completion* found) {
    Deadline deadline(kTrialMs);
    for (bool seen = false; !seen;) {
      const double left_ms = deadline.RemainingMs();
      const int error = ring_.Enter(left_ms);
      ring_.Reap([&](const Completion& completion) {
        if (KindOf(completion) != kind) return;
        *found = completion;
        seen = true;
      });
      if (error < 0 && error != -EINTR && error != -ETIME) return error;
      if (!seen && left_ms == 0) return -ETIME;
    }
    return 0;
  }

  // More than a socket takes: the first send must say that it was short, the next that nothing goes.
  int TrySend() {
    Pair pair;
    int error = pair.Open();
    if (error < 0) return error;
    const int small = 4096;
    setsockopt(pair.ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    for (const bool first : {true, false}) {
      Record record{kSendNow, pair.ends[0], 0, 0, staging_start, kStagingBytes, 0, 0};
      Fill(ring_.Next(), record);
      Completion completion{};
      error = Await(kSendNow, &completion);
      if (error < 0) return error;
      const int32_t result = completion.result;
      if (first ? result <= 0 || result >= kStagingBytes : result != -EAGAIN) return -ENOTSUP;
    }
    return 0;
  }

  // Multishot is Linux 6.0. One byte comes, and then the end.
  int TryReceive() {
    for (const bool multishot : {true, false}) {
      if (multishot && !options_.multishot) continue;
      found_.multishot_receive = multishot;
      Pair pair;
      int error = pair.Open();
      if (error < 0) return error;
      if (send(pair.ends[1], "", 1, MSG_NOSIGNAL) != 1) return -errno;
      Fill(ring_.Next(), {kReceiveOn, pair.ends[0], 0, 0, 0, 0, 0, 0});
      Completion completion{};
      error = Await(kReceiveOn, &completion);
      if (error < 0) return error;
      if ((completion.flags & kCompletionBuffer) != 0) {
        pool_.Taken();
        pool_.Delivered(static_cast<uint16_t>(completion.flags >> kCompletionBufferShift));
      }
      const bool more = (completion.flags & kCompletionMore) != 0;
      if (more) {
        shutdown(pair.ends[1], SHUT_RDWR);
        error = Await(kReceiveOn, &completion);
        if (error < 0) return error;
      }
      in_flight_--;
      if (multishot && !more) continue;
      return completion.result < 0 ? completion.result : 0;
    }
    return -ENOTSUP;
  }

  // ---- The end --------------------------------------------------------------------------------------------

  // Submits what is staged still (closes), cancels the rest, and waits until the kernel has let go of all of it.
  bool Quiesce() {
    spilled_.clear();
    row_count() = 0;
    epoll_armed_ = true;
    if (Submit() < 0) return false;
    Deadline deadline(kQuiesceMs);
    for (bool cancelled = false;;) {
      if (!cancelled && in_flight_ > 0) {
        int error = 0;
        Submission* submission = Next(&error);
        if (submission == nullptr) return false;
        submission->opcode = kAsyncCancel;
        submission->fd = -1;
        submission->operation_flags = kCancelAny | kCancelAll;
        submission->user_data = UserData(0, 0, kCancelAllOf);
        submission->flags = kSkipSuccess;
        cancelled = true;
      }
      const double left_ms = in_flight_ > 0 ? deadline.RemainingMs() : 0;
      const int error = ring_.Enter(left_ms);
      const int32_t before = in_flight_;
      ring_.Reap([this](const Completion& completion) {
        // Accepted while we were leaving: nobody will ever hear of it.
        if (KindOf(completion) == kAcceptOn && completion.result >= 0) close(completion.result);
        if ((completion.flags & kCompletionMore) != 0) return;
        const int32_t kind = KindOf(completion);
        if (kind == kAcceptOn || kind == kReceiveOn || kind == kWhenWritable || kind == kEpoll) in_flight_--;
      });
      if (in_flight_ == 0 && ring_.unsubmitted() == 0) return true;
      if (error < 0 && error != -EINTR && error != -EBUSY && error != -EAGAIN) return false;
      if (left_ms == 0 && before == in_flight_) return false;
    }
  }

  const Options options_;
  OpenDescriptors* const descriptors_;
  std::unique_ptr<Poller> epoll_;
  Pool pool_;  // outlives the ring, which is destroyed before it
  Ring ring_;
  Found found_{};
  bool opened_ = false;
  bool epoll_armed_ = false;
  bool epoll_ready_ = false;
  bool has_token_ = false;
  Token token_{};
  int32_t in_flight_ = 0;  // operations that complete later: none of them a send
  size_t rows_capacity_ = 0;
  std::vector<Completion> spilled_;
};

}  // namespace

std::unique_ptr<CompletionPoller> OpenUring(const Options& options, OpenDescriptors* descriptors, int* error,
                                            const char** what) {
  auto poller = std::make_unique<UringPoller>(options, descriptors);
  *error = poller->Open(what);
  if (*error < 0) return nullptr;
  return poller;
}

int SetBlocking(int fd, bool blocking) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  return wanted == flags || fcntl(fd, F_SETFL, wanted) == 0 ? 0 : -errno;
}

}  // namespace underloop::uring
