// The operations of operations.h: submitting what JavaScript has staged, and telling it what has completed.
#include "operations.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>

#include "../poller.h"

namespace underloop::uring {
namespace {

// Closing waits for what is in flight to be cancelled, which takes microseconds.
constexpr double kQuiesceMs = 1000;

// The kernel reads the 32 bits of a poll as two halves, low half first.
uint32_t PollBits(uint32_t bits) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return bits << 16 | bits >> 16;
#else
  return bits;
#endif
}

// Whether its last completion counts down what is in flight.
bool StaysInFlight(int32_t kind) {
  return kind == kAcceptOn || kind == kReceiveOn || kind == kWhenWritable || kind == kEpoll;
}

}  // namespace

// ---- Submitting -------------------------------------------------------------------------------------------

void Operations::BeginRows() {
  area_->row_count() = area_->send_row_count() = 0;
  const size_t room = rows_capacity_ / 2;
  const size_t count = spilled_.size() < room ? spilled_.size() : room;
  for (size_t i = 0; i < count; i++) AppendRow(spilled_[i]);
  spilled_.erase(spilled_.begin(), spilled_.begin() + static_cast<ptrdiff_t>(count));
}

// A submission, even if the queue is full: what is in it is submitted then.
Submission* Operations::Next(int* error) {
  Submission* submission = ring_.Next();
  while (submission == nullptr) {
    *error = ring_.Submit();
    if (*error < 0) return nullptr;
    submission = ring_.Next();
  }
  return submission;
}

int Operations::Submit() {
  const auto* staged = reinterpret_cast<const Record*>(area_->records->data());
  const int32_t count = area_->record_count();
  area_->record_count() = 0;
  area_->wait_count()++;
  int error = 0;
  // The sends' buffers first: they are known only now, and must not go back.
  for (int32_t i = 0; i < count; i++) {
    if (staged[i].kind == kSendNow && staged[i].start < area_->staging_start) {
      pool_.SendFrom(static_cast<uint16_t>(staged[i].start / area_->stride));
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
    submission->fd = epoll_fd_;
    submission->operation_flags = PollBits(POLLIN);
    submission->user_data = UserData(0, 0, kEpoll);
    epoll_armed_ = true;
    in_flight_++;
  }
  return 0;
}

void Operations::Fill(Submission* submission, const Record& record) {
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
      assert(record.start >= 0 && record.length >= 0 && end <= static_cast<int64_t>(area_->arena->size()));
      const bool inside =
          record.start >= 0 && record.length >= 0 && end <= static_cast<int64_t>(area_->arena->size());
      submission->opcode = kSend;
      submission->address = reinterpret_cast<uint64_t>(area_->arena->data() + (inside ? record.start : 0));
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

// ---- Completions ------------------------------------------------------------------------------------------

void Operations::Take(const Completion& completion) {
  const int32_t kind = KindOf(completion);
  const bool last = (completion.flags & kCompletionMore) == 0;
  if (last && StaysInFlight(kind)) in_flight_--;
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
  const int32_t taken = is_send ? area_->send_row_count() : area_->row_count() - area_->send_row_count();
  if (static_cast<size_t>(taken) < rows_capacity_ / 2) {
    AppendRow(completion);
  } else {
    assert(!is_send);
    spilled_.push_back(completion);
  }
}

void Operations::AppendRow(const Completion& completion) {
  memcpy(area_->rows->data() + static_cast<size_t>(area_->row_count()) * sizeof(CompletionRow), &completion,
         sizeof completion);
  area_->row_count()++;
  if (KindOf(completion) == kSendNow) area_->send_row_count()++;
  if ((completion.flags & kCompletionBuffer) != 0) {
    pool_.Delivered(static_cast<uint16_t>(completion.flags >> kCompletionBufferShift));
  }
}

// ---- The end ----------------------------------------------------------------------------------------------

// Submits what is staged still (closes), cancels the rest, and waits until the kernel has let go of all of it.
bool Operations::Quiesce() {
  if (!opened_) return true;
  spilled_.clear();
  area_->row_count() = 0;
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
      if (StaysInFlight(KindOf(completion))) in_flight_--;
    });
    if (in_flight_ == 0 && ring_.unsubmitted() == 0) return true;
    if (error < 0 && error != -EINTR && error != -EBUSY && error != -EAGAIN) return false;
    if (left_ms == 0 && before == in_flight_) return false;
  }
}

int SetBlocking(int fd, bool blocking) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  const int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  return wanted == flags || fcntl(fd, F_SETFL, wanted) == 0 ? 0 : -errno;
}

}  // namespace underloop::uring
