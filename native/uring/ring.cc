// A ring through raw system calls: io_uring_setup(2), io_uring_enter(2), io_uring_register(2).
#include "ring.h"

#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>

#include "../poller.h"

namespace underloop::uring {
namespace {

int Result(long value) { return value >= 0 ? static_cast<int>(value) : -errno; }

// Tries of one submission that the kernel has no memory for, before that is reported.
constexpr int kTriesMax = 1000;

}  // namespace

int Ring::Open(uint32_t sq_entries, uint32_t cq_entries, uint32_t flags) {
  Parameters parameters{};
  parameters.flags = flags | kSetupCqSize | kSetupClamp;
  parameters.cq_entries = cq_entries;
  fd_ = Result(syscall(kSetupCall, sq_entries, &parameters));
  if (fd_ < 0) return fd_;
  features_ = parameters.features;
  if ((features_ & kFeatureSingleMmap) == 0) return -ENOTSUP;  // Linux before 5.4

  const size_t sq_bytes = parameters.sq.array + parameters.sq_entries * sizeof(uint32_t);
  const size_t cq_bytes = parameters.cq.entries + parameters.cq_entries * sizeof(Completion);
  rings_bytes_ = sq_bytes > cq_bytes ? sq_bytes : cq_bytes;
  submissions_bytes_ = parameters.sq_entries * sizeof(Submission);
  const auto map = [this](size_t bytes, int64_t offset) -> void* {
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, offset);
    return at == MAP_FAILED ? nullptr : at;
  };
  rings_ = map(rings_bytes_, kMapSqRing);
  if (rings_ == nullptr) return -errno;
  submissions_ = static_cast<Submission*>(map(submissions_bytes_, kMapSubmissions));
  if (submissions_ == nullptr) return -errno;

  auto* base = static_cast<uint8_t*>(rings_);
  const auto word = [base](uint32_t offset) { return reinterpret_cast<uint32_t*>(base + offset); };
  sq_head_ = word(parameters.sq.head);
  sq_tail_ = word(parameters.sq.tail);
  sq_flags_ = word(parameters.sq.flags);
  sq_mask_ = *word(parameters.sq.ring_mask);
  cq_head_ = word(parameters.cq.head);
  cq_tail_ = word(parameters.cq.tail);
  cq_mask_ = *word(parameters.cq.ring_mask);
  completions_ = reinterpret_cast<Completion*>(base + parameters.cq.entries);
  // The kernel reads submissions through a table of their places. Ours stand in order, for ever.
  for (uint32_t i = 0; i < parameters.sq_entries; i++) word(parameters.sq.array)[i] = i;
  return 0;
}

Ring::~Ring() {
  if (registered_ >= 0) {
    ResourceUpdate update{static_cast<uint32_t>(registered_), 0, 0};
    syscall(kRegisterCall, fd_, kUnregisterRingFd, &update, 1);
  }
  if (submissions_ != nullptr) munmap(submissions_, submissions_bytes_);
  if (rings_ != nullptr) munmap(rings_, rings_bytes_);
  if (fd_ >= 0) close(fd_);
}

int Ring::Register(uint32_t what, void* argument, uint32_t count) {
  return Result(syscall(kRegisterCall, fd_, what, argument, count));
}

bool Ring::Supports(uint8_t opcode) const {
  Probe probe{};
  if (syscall(kRegisterCall, fd_, kRegisterProbe, &probe, 256) != 0) return false;
  return opcode <= probe.last_opcode && (probe.operations[opcode].flags & kProbeSupported) != 0;
}

bool Ring::RegisterOwnFd() {
  ResourceUpdate update{~0u, 0, static_cast<uint64_t>(fd_)};
  if (Register(kRegisterRingFd, &update, 1) != 1) return false;
  registered_ = static_cast<int>(update.offset);
  return true;
}

Submission* Ring::Next() {
  if (tail_ - __atomic_load_n(sq_head_, __ATOMIC_ACQUIRE) > sq_mask_) return nullptr;
  Submission* submission = &submissions_[tail_++ & sq_mask_];
  memset(submission, 0, sizeof *submission);
  return submission;
}

bool Ring::Overflown() const { return (__atomic_load_n(sq_flags_, __ATOMIC_RELAXED) & kSqOverflow) != 0; }

int Ring::EnterOnce(uint32_t wanted, uint32_t flags, double timeout_ms) {
  __atomic_store_n(sq_tail_, tail_, __ATOMIC_RELEASE);
  Timespec timespec{};
  GetEventsArgument argument{};
  if (timeout_ms > 0) {
    const struct timespec time = ToTimespec(timeout_ms);
    timespec = {time.tv_sec, time.tv_nsec};
    argument.timespec = reinterpret_cast<uint64_t>(&timespec);
    flags |= kEnterExtArg;
  }
  if (registered_ >= 0) flags |= kEnterRegisteredRing;
  const int entered =
      Result(syscall(kEnterCall, registered_ >= 0 ? registered_ : fd_, tail_ - submitted_, wanted, flags,
                     timeout_ms > 0 ? &argument : nullptr, timeout_ms > 0 ? sizeof argument : size_t{0}));
  submitted_ = __atomic_load_n(sq_head_, __ATOMIC_ACQUIRE);
  return entered;
}

int Ring::Submit() {
  for (int tries = 0; unsubmitted() > 0; tries++) {
    const int entered = EnterOnce(0, tries == 0 ? 0 : kEnterGetEvents, 0);
    // -EBUSY: completions wait for room, -EAGAIN: no memory. What is not submitted now would be taken for done.
    if (entered < 0 && entered != -EBUSY && entered != -EAGAIN && entered != -EINTR) return entered;
    if (tries == kTriesMax) return entered < 0 ? entered : -EAGAIN;
  }
  return 0;
}

int Ring::Enter(double timeout_ms) {
  const int entered = EnterOnce(timeout_ms == 0 ? 0 : 1, kEnterGetEvents, timeout_ms);
  // After a part of them it has not waited: the rest first.
  if (unsubmitted() > 0) {
    const int submitted = Submit();
    if (submitted < 0) return submitted;
    return entered < 0 && entered != -EBUSY && entered != -EAGAIN ? entered : -EINTR;
  }
  return entered < 0 ? entered : 0;
}

}  // namespace underloop::uring
