// The host runtime's own loop as a pollable fd, and the pump that runs turns inside one of its phases.
#pragma once

#include <node_api.h>

#include <cstdint>

#include "environment.h"

namespace underloop {

// What the pump tells src/reactor/host.ts before each turn. The layout is that of `HostState` there.
struct HostState {
  double now_ms;               // CLOCK_MONOTONIC
  double runtime_deadline_ms;  // when the runtime has work of its own: a timer's time, 0 for at once, +Infinity
  double runtime_passes;       // passes that the runtime has completed
  double runtime_events;       // readiness events that the runtime's loop has handled, ever (uv_metrics_info)
};

class Host {
 public:
  // Looks the runtime's symbols up. Null where they cannot be had.
  static Host* Open(Environment* environment, napi_value pump);
  int backend_fd() const;
  napi_value StateBuffer() { return state_block_->ToArrayBuffer(env_); }
  void Start();
  void Stop();
  void SetRef(bool ref);
  // The environment is going: it must no longer be touched from here.
  void Detach() { environment_ = nullptr; }

 private:
  Host() = default;
  ~Host();
  static void OnIdle(void* handle);
  static void OnClosed(void* handle);
  static void OnEnvironmentCleanup(napi_async_cleanup_hook_handle hook, void* data);
  void Pump();
  void RefreshState();

  Environment* environment_ = nullptr;
  napi_env env_ = nullptr;
  napi_ref pump_ = nullptr;
  napi_ref receiver_ = nullptr;
  void* loop_ = nullptr;
  void* idle_ = nullptr;     // uv_idle_t: its callback is the pump
  void* keeper_ = nullptr;   // uv_prepare_t with nothing to do: keeps the loop alive while idle_ is stopped
  SharedBlock* state_block_ = nullptr;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  uint64_t passes_ = 0;
  bool started_ = false;
  bool closing_ = false;
  int open_handles_ = 0;
};

}  // namespace underloop
