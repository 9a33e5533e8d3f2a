// Opening of what operations.h has: a ring as good as this kernel's, and trials of what version numbers do not tell.
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "../poller.h"
#include "operations.h"

namespace underloop::uring {
namespace {

constexpr uint32_t kSqEntries = 1024;  // more are submitted in portions
constexpr int32_t kRecordsAtFirst = 1024;
// Room for what is sent and does not stand in the pool. What does not fit waits in its connection's queue.
constexpr int32_t kStagingBytes = 512 * 1024;
// Buffers whose beginnings lie a power of two apart would share few sets of the processor's caches.
constexpr int32_t kColourBytes = 320;

constexpr double kTrialMs = 1000;

struct Pair {
  int ends[2] = {-1, -1};
  int Open() { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0 ? 0 : -errno; }
  ~Pair() {
    for (const int end : ends) {
      if (end >= 0) close(end);
    }
  }
};

}  // namespace

int Operations::Open(int epoll_fd, const char** what) {
  epoll_fd_ = epoll_fd;
  *what = "io_uring_setup";
  int error = OpenRing();
  if (error < 0) return error;
  const int missing = CheckFeatures(what);
  if (missing < 0) return missing;
  *what = "IORING_REGISTER_PBUF_RING (Linux 5.19)";
  error = pool_.Open(&ring_, options_.buffers);
  if (error < 0) return error;
  found_.multishot_accept = options_.multishot;
  found_.registered_fd = ring_.RegisterOwnFd();

  Area& area = *area_;
  area.stride = options_.buffer_bytes + kColourBytes;
  area.staging_start = options_.buffers * area.stride;
  area.arena = SharedBlock::Make(static_cast<size_t>(area.staging_start + kStagingBytes));
  area.records = SharedBlock::Make(kRecordsAtFirst * sizeof(Record));
  rows_capacity_ = static_cast<size_t>(options_.cq_entries) * 2;
  area.rows = SharedBlock::Make(rows_capacity_ * sizeof(CompletionRow));
  area.counts = SharedBlock::Make(4 * sizeof(int32_t));
  pool_.Fill(area.arena->data(), area.stride, options_.buffer_bytes);
  opened_ = true;
  *what = "a send that reports only what it did not send";
  error = TrySend();
  if (error < 0) return error;
  *what = "a receive into provided buffers";
  return TryReceive();
}

int Operations::OpenRing() {
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

int Operations::CheckFeatures(const char** what) const {
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

// Waits until there is a completion of `kind`, and gives it.
int Operations::Await(int32_t kind, Completion* found) {
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
int Operations::TrySend() {
  Pair pair;
  int error = pair.Open();
  if (error < 0) return error;
  const int small = 4096;
  setsockopt(pair.ends[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  for (const bool first : {true, false}) {
    Record record{kSendNow, pair.ends[0], 0, 0, area_->staging_start, kStagingBytes, 0, 0};
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
int Operations::TryReceive() {
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

}  // namespace underloop::uring
