// The thread of wait_thread.h, and JavaScript's way to it.
#include "wait_thread.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <memory>

#include "blocking/thread.h"
#include "environment.h"

namespace underloop {

int WaitThread::Open(napi_env env, int fd, napi_value callback, WaitThread** result) {
  auto thread = std::unique_ptr<WaitThread>(new WaitThread(env, fd));
  const int opened = thread->waker_.Open();
  if (opened < 0) return opened;
  napi_value name;
  napi_create_string_utf8(env, "underloop", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, callback, nullptr, name, 0, 1, nullptr, nullptr, nullptr, nullptr,
                                      &thread->call_) != napi_ok) {
    return -ENOMEM;
  }
  // Runs before the thread-safe function's own, for hooks run in the opposite order: nobody calls one that has gone.
  napi_add_env_cleanup_hook(env, OnEnvironmentCleanup, thread.get());
  // 64 KiB: it polls two descriptors.
  const int error = blocking::StartThread(&thread->thread_, 64 * 1024, ThreadMain, thread.get());
  if (error != 0) return -error;
  thread->running_ = true;
  *result = thread.release();
  return 0;
}

void WaitThread::Arm(double timeout_ms) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    armed_ = true;
    deadline_ms_ = MonotonicMs() + timeout_ms;
  }
  waker_.Wake();
}

void WaitThread::SetRef(bool ref) {
  if (ref)
    napi_ref_threadsafe_function(env_, call_);
  else
    napi_unref_threadsafe_function(env_, call_);
}

void WaitThread::EndThread() {
  if (!running_) return;
  running_ = false;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
  }
  waker_.Wake();
  pthread_join(thread_, nullptr);
}

WaitThread::~WaitThread() {
  EndThread();
  if (call_ == nullptr) return;
  napi_remove_env_cleanup_hook(env_, OnEnvironmentCleanup, this);
  napi_release_threadsafe_function(call_, napi_tsfn_abort);
}

// The environment ends its thread-safe functions by itself, and after this.
void WaitThread::OnEnvironmentCleanup(void* argument) {
  auto* self = static_cast<WaitThread*>(argument);
  self->EndThread();
  self->call_ = nullptr;
}

void* WaitThread::ThreadMain(void* argument) {
  blocking::NameThread("ul-wait");
  static_cast<WaitThread*>(argument)->Serve();
  return nullptr;
}

namespace {

int PollUntil(pollfd* fds, nfds_t count, double deadline_ms) {
  const double left_ms = std::max(deadline_ms - MonotonicMs(), 0.0);
  constexpr double kLongestMs = 1e9;  // eleven days, and then again: poll(2) counts milliseconds in an int
#ifdef __APPLE__
  return poll(fds, count, static_cast<int>(std::ceil(std::min(left_ms, kLongestMs))));
#else
  const double bounded_ms = std::min(left_ms, kLongestMs);
  timespec timeout;
  timeout.tv_sec = static_cast<time_t>(bounded_ms / 1000);
  timeout.tv_nsec = static_cast<long>((bounded_ms - static_cast<double>(timeout.tv_sec) * 1000) * 1e6);
  return ppoll(fds, count, &timeout, nullptr);
#endif
}

}  // namespace

void WaitThread::Serve() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!closed_) {
    const bool armed = armed_;
    const double deadline_ms = armed ? deadline_ms_ : HUGE_VAL;
    lock.unlock();
    pollfd fds[2] = {{waker_.read_fd(), POLLIN, 0}, {fd_, POLLIN, 0}};
    const int ready = PollUntil(fds, armed ? 2 : 1, deadline_ms);
    if (ready > 0 && fds[0].revents != 0) waker_.Drain();
    lock.lock();
    if (ready > 0 && fds[0].revents != 0) continue;  // armed anew, or closed
    if (!armed || (ready <= 0 && MonotonicMs() < deadline_ms)) continue;
    armed_ = false;
    lock.unlock();
    const napi_status status = napi_call_threadsafe_function(call_, nullptr, napi_tsfn_nonblocking);
    lock.lock();
    if (status == napi_closing) return;
  }
}

namespace {

// (fd, callback) => handle or -errno
napi_value WaitThreadOpen(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  WaitThread* thread = nullptr;
  const int error = WaitThread::Open(env, arguments.Int(0), arguments.values[1], &thread);
  if (error < 0) return Result(env, error);
  return Result(env, arguments.environment->wait_threads.Add(std::shared_ptr<WaitThread>(thread)));
}

// (handle, timeoutMs) => 0 or -errno
napi_value WaitThreadArm(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  WaitThread* thread = arguments.environment->wait_threads.Find(arguments.Int(0));
  if (thread == nullptr) return Result(env, -EBADF);
  thread->Arm(arguments.Double(1));
  return Result(env, 0);
}

// (handle, ref: boolean) => 0 or -errno
napi_value WaitThreadRef(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  WaitThread* thread = arguments.environment->wait_threads.Find(arguments.Int(0));
  if (thread == nullptr) return Result(env, -EBADF);
  bool ref = true;
  napi_get_value_bool(env, arguments.values[1], &ref);
  thread->SetRef(ref);
  return Result(env, 0);
}

// (handle) => 0 or -errno
napi_value WaitThreadClose(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int32_t handle = arguments.Int(0);
  if (arguments.environment->wait_threads.Find(handle) == nullptr) return Result(env, -EBADF);
  arguments.environment->wait_threads.Remove(handle);
  return Result(env, 0);
}

}  // namespace

void ExportWaitThreads(Environment* environment, napi_value exports) {
  Export(environment, exports, "waitThreadOpen", WaitThreadOpen);
  Export(environment, exports, "waitThreadArm", WaitThreadArm);
  Export(environment, exports, "waitThreadRef", WaitThreadRef);
  Export(environment, exports, "waitThreadClose", WaitThreadClose);
}

}  // namespace underloop
