// The host runtime's own loop as a pollable fd, and the pump that runs turns inside one of its phases.
#pragma once

#include <node_api.h>

#include <cstdint>

#include "environment.h"

namespace underloop {

// What the pump tells src/reactor/host.ts. The layout is that of the constants there.
struct HostState {
  // Before each turn: when the runtime has work of its own: a timer, an immediate, a watcher to hand to the kernel.
  double runtime_due_ms;       // from now; 0: at once; +Infinity: no timer
  double runtime_deadline_ms;  // the same as a time on CLOCK_MONOTONIC
  // Whenever the runtime's loop comes round:
  double runtime_events;  // readinesses that the runtime's loop has handled, ever (uv_metrics_info)
};

class Host {
 public:
  // Looks the runtime's symbols up. Null where they cannot be had.
  static Host* Open(Environment* environment, napi_value pump);
  int backend_fd() const;
  // A timerfd for src/reactor/host.ts to set; -1 where the system has none.
  int slice_fd() const { return slice_fd_; }
  napi_value StateBuffer() { return state_block_->ToArrayBuffer(env_); }
  void Start();
  bool started() const { return started_; }
  void Stop();
  void SetRef(bool ref);
  void Drain();
  // The environment is going: it must no longer be touched from here.
  void Detach() { environment_ = nullptr; }

 private:
  Host() = default;
  ~Host();
  static void OnPrepare(void* handle);
  static void OnClosed(void* handle);
  static void OnEnvironmentCleanup(napi_async_cleanup_hook_handle hook, void* data);
  void Pump();
  void RefreshState();

  Environment* environment_ = nullptr;
  napi_env env_ = nullptr;
  napi_ref tick_ = nullptr;  // process._tickCallback, where there is one
  napi_ref pump_ = nullptr;
  void* loop_ = nullptr;
  // uv_prepare_t: its callback is the pump. It also keeps the loop alive while idle_ is stopped.
  void* prepare_ = nullptr;
  void* idle_ = nullptr;  // uv_idle_t with nothing to do: while it is active the runtime's poll does not wait
  SharedBlock* state_block_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  int slice_fd_ = -1;
  bool started_ = false;
  bool closing_ = false;
  int open_handles_ = 0;
};

}  // namespace underloop
