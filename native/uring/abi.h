// The kernel's io_uring interface, as far as it is used here: defined by us, for the system's headers are often older than
// the kernel, and some C libraries come without them. The names and numbers are those of io_uring(7) and its kin.
#pragma once

#include <cstdint>

namespace underloop::uring {

constexpr long kSetupCall = 425;  // the same on every architecture
constexpr long kEnterCall = 426;
constexpr long kRegisterCall = 427;

struct Submission {
  uint8_t opcode;
  uint8_t flags;
  uint16_t io_priority;  // where recv, send and accept have flags of their own
  int32_t fd;
  uint64_t offset;
  uint64_t address;
  uint32_t length;
  uint32_t operation_flags;
  uint64_t user_data;
  uint16_t buffer_group;
  uint16_t personality;
  int32_t file_index;
  uint64_t spare[2];
};
static_assert(sizeof(Submission) == 64, "the kernel's size of a submission");

struct Completion {
  uint64_t user_data;
  int32_t result;
  uint32_t flags;
};
static_assert(sizeof(Completion) == 16, "the kernel's size of a completion");

struct SubmissionOffsets {
  uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, spare;
  uint64_t user_address;
};
struct CompletionOffsets {
  uint32_t head, tail, ring_mask, ring_entries, overflow, entries, flags, spare;
  uint64_t user_address;
};
struct Parameters {
  uint32_t sq_entries, cq_entries, flags, sq_thread_cpu, sq_thread_idle, features, wq_fd, spare[3];
  SubmissionOffsets sq;
  CompletionOffsets cq;
};
static_assert(sizeof(Parameters) == 120, "the kernel's size of the parameters");

// io_uring_setup
constexpr uint32_t kSetupCqSize = 1u << 3;
constexpr uint32_t kSetupClamp = 1u << 4;
constexpr uint32_t kSetupSubmitAll = 1u << 7;      // Linux 5.18
constexpr uint32_t kSetupCoopTaskrun = 1u << 8;    // 5.19
constexpr uint32_t kSetupSingleIssuer = 1u << 12;  // 6.0
constexpr uint32_t kSetupDeferTaskrun = 1u << 13;  // 6.1
constexpr uint32_t kFeatureSingleMmap = 1u << 0;
constexpr uint32_t kFeatureNoDrop = 1u << 1;
constexpr uint32_t kFeatureFastPoll = 1u << 5;
constexpr uint32_t kFeatureExtArg = 1u << 8;
constexpr uint32_t kFeatureCqeSkip = 1u << 11;
constexpr int64_t kMapSqRing = 0;
constexpr int64_t kMapSubmissions = 0x10000000;
constexpr uint32_t kSqOverflow = 1u << 1;  // in the ring's flags: completions wait for room

// io_uring_enter
constexpr uint32_t kEnterGetEvents = 1u << 0;
constexpr uint32_t kEnterExtArg = 1u << 3;
constexpr uint32_t kEnterRegisteredRing = 1u << 4;
struct Timespec {
  int64_t seconds;
  int64_t nanoseconds;
};
struct GetEventsArgument {
  uint64_t signal_mask;
  uint32_t signal_mask_bytes;
  uint32_t spare;
  uint64_t timespec;
};

// io_uring_register
constexpr uint32_t kRegisterProbe = 8;
constexpr uint32_t kRegisterRingFd = 20;
constexpr uint32_t kUnregisterRingFd = 21;
constexpr uint32_t kRegisterBufferRing = 22;
struct ProbeOperation {
  uint8_t opcode;
  uint8_t spare;
  uint16_t flags;
  uint32_t spare2;
};
struct Probe {
  uint8_t last_opcode;
  uint8_t count;
  uint16_t spare;
  uint32_t spare2[3];
  ProbeOperation operations[256];
};
constexpr uint16_t kProbeSupported = 1;
struct ResourceUpdate {
  uint32_t offset;
  uint32_t spare;
  uint64_t data;
};
struct BufferRingRegistration {
  uint64_t ring_address;
  uint32_t ring_entries;
  uint16_t group;
  uint16_t flags;
  uint64_t spare[3];
};
// One place of a buffer ring. The ring's tail stands where the first place has `tail`.
struct Buffer {
  uint64_t address;
  uint32_t length;
  uint16_t id;
  uint16_t tail;
};
static_assert(sizeof(Buffer) == 16, "the kernel's size of a provided buffer");

// Operations and their flags
constexpr uint8_t kNop = 0;
constexpr uint8_t kPollAdd = 6;
constexpr uint8_t kAccept = 13;
constexpr uint8_t kAsyncCancel = 14;
constexpr uint8_t kClose = 19;
constexpr uint8_t kSend = 26;
constexpr uint8_t kRecv = 27;
constexpr uint8_t kSelectBuffer = 1u << 5;
constexpr uint8_t kSkipSuccess = 1u << 6;
constexpr uint16_t kAcceptMultishot = 1u << 0;
constexpr uint16_t kRecvMultishot = 1u << 1;  // Linux 6.0
constexpr uint32_t kCancelAll = 1u << 0;
constexpr uint32_t kCancelFd = 1u << 1;
constexpr uint32_t kCancelAny = 1u << 2;
constexpr uint32_t kCompletionBuffer = 1u << 0;
constexpr uint32_t kCompletionMore = 1u << 1;
constexpr uint32_t kCompletionBufferShift = 16;

}  // namespace underloop::uring
