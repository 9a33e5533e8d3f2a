// A poller that also does what it is asked: operations are staged by JavaScript in a table, submitted with the next wait,
// and their completions stand in an array when it returns. src/uring/area.ts has the same numbers.
#pragma once

#include <cstdint>
#include <memory>

#include "../environment.h"

namespace underloop::uring {

// What JavaScript stages. The same number, in the user data, says what a completion is of.
enum Kind : int32_t {
  kNothing = 0,    // staged, and taken back
  kAcceptOn = 1,   // until it is cancelled, where the kernel can; else once
  kReceiveOn = 2,  // the same, into buffers of the pool
  kSendNow = 3,    // as much as goes at once; completes only when that is not all, or if asked to report
  kWhenWritable = 4,
  kCancelAllOf = 5,    // all operations on the descriptor
  kCancelReceive = 6,  // that of the same slot and generation
  kCloseFd = 7,
  kEpoll = 255,  // our own: the descriptors that are waited on for readiness
};

struct Record {
  int32_t kind;
  int32_t fd;
  int32_t slot;
  int32_t generation;  // below kGenerations
  int32_t start;       // kSendNow: in the arena
  int32_t length;
  int32_t report;
  int32_t spare;
};
constexpr int32_t kGenerations = 1 << 24;

// The kernel's own layout: slot, kind and generation << 8, result, flags.
struct CompletionRow {
  int32_t slot;
  int32_t kind_generation;
  int32_t result;
  uint32_t flags;
};

struct Options {
  int32_t buffers;       // of the pool; a power of two
  int32_t buffer_bytes;  // of each
  int32_t cq_entries;
  bool multishot;  // false: as if the kernel had none
  bool deferred;   // false: as if the kernel had no DEFER_TASKRUN and SINGLE_ISSUER
};

// What a ring was found to have.
struct Found {
  bool multishot_accept;  // came with the buffer rings, without which there is no ring of ours: Linux 5.19
  bool multishot_receive;
  bool deferred;  // SINGLE_ISSUER and DEFER_TASKRUN; else COOP_TASKRUN
  bool registered_fd;
  bool submit_all;
};

// Memory of both languages. arena: the pool's buffers, `stride` apart, and from `staging_start` on room for what is sent.
// records: what is staged. rows: what has completed. counts: [records, rows, waits so far, rows that are of sends].
struct Area {
  SharedBlock* arena = nullptr;
  SharedBlock* records = nullptr;
  SharedBlock* rows = nullptr;
  SharedBlock* counts = nullptr;
  int32_t stride = 0;
  int32_t staging_start = 0;

  int32_t& record_count() { return count(0); }
  int32_t& row_count() { return count(1); }
  int32_t& wait_count() { return count(2); }
  int32_t& send_row_count() { return count(3); }

 private:
  int32_t& count(int i) { return reinterpret_cast<int32_t*>(counts->data())[i]; }
};

class CompletionPoller : public Poller {
 public:
  CompletionPoller* completions() override { return this; }
  virtual Found found() const = 0;
  virtual int ring_fd() const = 0;
  Area area;
  // Twice the room for records; what is staged is kept.
  virtual void GrowRecords() = 0;
};

// Null with *error = -errno and what failed, when the system refuses or lacks something.
std::unique_ptr<CompletionPoller> OpenUring(const Options& options, OpenDescriptors* descriptors, int* error,
                                            const char** what);

// Ends (1) or restores (0) O_NONBLOCK: a ring answers -EAGAIN on descriptors that have it, instead of waiting.
int SetBlocking(int fd, bool blocking);

}  // namespace underloop::uring
