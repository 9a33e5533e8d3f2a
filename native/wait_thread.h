// A thread that waits in place of the loop, where the runtime's own loop cannot be waited on (Bun, Deno).
#pragma once

#include <node_api.h>
#include <pthread.h>

#include <mutex>

#include "waker.h"

namespace underloop {

// Waits for one descriptor (a poller's own: epoll and kqueue can be polled) or a deadline, and then has the runtime call
// a JavaScript function, by a thread-safe function. Once for each Arm(): who has been called arms it again.
class WaitThread {
 public:
  // 0 or -errno.
  static int Open(napi_env env, int fd, napi_value callback, WaitThread** result);
  // From now on `fd`, or `timeout_ms` (may be infinite), ends the wait. Replaces what was armed before.
  void Arm(double timeout_ms);
  // Whether it keeps the runtime alive.
  void SetRef(bool ref);
  // Ends and joins the thread. The callback may still be called once, if it was under way.
  ~WaitThread();
  WaitThread(const WaitThread&) = delete;
  WaitThread& operator=(const WaitThread&) = delete;

 private:
  WaitThread(napi_env env, int fd) : env_(env), fd_(fd) {}
  static void* ThreadMain(void* argument);
  static void OnEnvironmentCleanup(void* argument);
  void Serve();
  void EndThread();

  napi_env env_;
  int fd_;
  Waker waker_;  // something below has changed
  napi_threadsafe_function call_ = nullptr;
  pthread_t thread_;
  bool running_ = false;

  std::mutex mutex_;
  bool armed_ = false;
  bool closed_ = false;
  double deadline_ms_ = 0;
};

}  // namespace underloop
