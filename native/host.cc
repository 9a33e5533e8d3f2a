// The runtime's loop is libuv. Its symbols are looked up at run time, with opaque pointers: the binary imports none, so
// it also loads in Node-API runtimes that have no libuv, where Open() gives null and another host is used.
#include "host.h"

#include <dlfcn.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/timerfd.h>
#endif

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

namespace underloop {
namespace {

using Callback = void (*)(void*);

// uv_metrics_t of libuv 1.45 and later.
struct Metrics {
  uint64_t loop_count;
  uint64_t events;
  uint64_t events_waiting;
  uint64_t reserved[13];
};

// What goes on between these pointers is libuv's; nothing here knows a layout but Metrics.
struct Symbols {
  napi_status (*get_loop)(napi_env, void**);
  int (*backend_fd)(const void*);
  int (*backend_timeout)(const void*);
  uint64_t (*now)(const void*);
  int (*idle_init)(void*, void*);
  int (*idle_start)(void*, Callback);
  int (*idle_stop)(void*);
  int (*prepare_init)(void*, void*);
  int (*prepare_start)(void*, Callback);
  int (*prepare_stop)(void*);
  void (*close)(void*, Callback);
  void (*ref)(void*);
  void (*unref)(void*);
  void (*set_data)(void*, void*);
  void* (*get_data)(const void*);
  size_t (*handle_size)(int);
  const char* (*type_name)(int);
  int (*metrics_info)(void*, Metrics*);

  template <typename F>
  static bool Find(const char* name, F* function) {
    *function = reinterpret_cast<F>(dlsym(RTLD_DEFAULT, name));
    return *function != nullptr;
  }

  bool Load() {
    return Find("napi_get_uv_event_loop", &get_loop) && Find("uv_backend_fd", &backend_fd) &&
           Find("uv_backend_timeout", &backend_timeout) && Find("uv_now", &now) &&
           Find("uv_idle_init", &idle_init) && Find("uv_idle_start", &idle_start) &&
           Find("uv_idle_stop", &idle_stop) && Find("uv_prepare_init", &prepare_init) &&
           Find("uv_prepare_start", &prepare_start) && Find("uv_prepare_stop", &prepare_stop) &&
           Find("uv_close", &close) && Find("uv_ref", &ref) && Find("uv_unref", &unref) &&
           Find("uv_handle_set_data", &set_data) && Find("uv_handle_get_data", &get_data) &&
           Find("uv_handle_size", &handle_size) && Find("uv_handle_type_name", &type_name) &&
           Find("uv_metrics_info", &metrics_info);
  }

  // The numbers of handle types are libuv's own; the names are documented.
  int TypeNumber(const char* wanted) const {
    for (int type = 1; type < 32; type++) {
      const char* name = type_name(type);
      if (name != nullptr && strcmp(name, wanted) == 0) return type;
    }
    return -1;
  }
};

// Immutable once made; function pointers of the process, the same in every environment.
const Symbols* LoadedSymbols() {
  static const Symbols* const symbols = []() -> const Symbols* {
    auto* found = new Symbols();
    if (found->Load()) return found;
    delete found;
    return nullptr;
  }();
  return symbols;
}

}  // namespace

static void Nothing(void*) {}

Host* Host::Open(Environment* environment, napi_value pump) {
  const Symbols* uv = LoadedSymbols();
  if (uv == nullptr) return nullptr;
  const int idle_type = uv->TypeNumber("idle");
  const int prepare_type = uv->TypeNumber("prepare");
  void* loop = nullptr;
  if (idle_type < 0 || prepare_type < 0) return nullptr;
  if (uv->get_loop(environment->env, &loop) != napi_ok || loop == nullptr) return nullptr;
  if (uv->backend_fd(loop) < 0) return nullptr;

  Host* host = new Host();
  host->environment_ = environment;
  host->env_ = environment->env;
  host->loop_ = loop;
  host->state_block_ = SharedBlock::Make(sizeof(HostState));
  host->idle_ = calloc(1, uv->handle_size(idle_type));
  host->prepare_ = calloc(1, uv->handle_size(prepare_type));
  uv->idle_init(loop, host->idle_);
  uv->prepare_init(loop, host->prepare_);
  uv->set_data(host->idle_, host);
  uv->set_data(host->prepare_, host);
  host->open_handles_ = 2;
#ifdef __linux__
  host->slice_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
#endif
  napi_create_reference(environment->env, pump, 1, &host->pump_);
  napi_value global, process, tick;
  napi_valuetype type = napi_undefined;
  if (napi_get_global(environment->env, &global) == napi_ok &&
      napi_get_named_property(environment->env, global, "process", &process) == napi_ok &&
      napi_get_named_property(environment->env, process, "_tickCallback", &tick) == napi_ok &&
      napi_typeof(environment->env, tick, &type) == napi_ok && type == napi_function) {
    napi_create_reference(environment->env, tick, 1, &host->tick_);
  }
  napi_add_async_cleanup_hook(environment->env, OnEnvironmentCleanup, host, &host->cleanup_);
  return host;
}

Host::~Host() {
  if (slice_fd_ >= 0) close(slice_fd_);
  free(idle_);
  free(prepare_);
  state_block_->Unref();
}

int Host::backend_fd() const { return LoadedSymbols()->backend_fd(loop_); }

void Host::Start() {
  if (closing_) return;
  started_ = true;
  const Symbols* uv = LoadedSymbols();
  uv->prepare_start(prepare_, OnPrepare);
  uv->idle_start(idle_, Nothing);
}

void Host::Stop() {
  if (closing_) return;
  started_ = false;
  const Symbols* uv = LoadedSymbols();
  uv->idle_stop(idle_);
  uv->prepare_stop(prepare_);
}

void Host::SetRef(bool ref) {
  if (closing_) return;
  const Symbols* uv = LoadedSymbols();
  (ref ? uv->ref : uv->unref)(idle_);
  (ref ? uv->ref : uv->unref)(prepare_);
}

void Host::OnPrepare(void* handle) { static_cast<Host*>(LoadedSymbols()->get_data(handle))->Pump(); }

void Host::Pump() {
  const Symbols* uv = LoadedSymbols();
  auto* state = reinterpret_cast<HostState*>(state_block_->data());
  Metrics metrics{};
  uv->metrics_info(loop_, &metrics);
  state->runtime_events = static_cast<double>(metrics.events);
  // While an idle handle is active the runtime's loop says "at once" to every question about its next timer. Ours is
  // not to count, but the one behind the runtime's immediates is; hence the pump is not run in the idle phase itself,
  // where the handles that had no turn yet are in no list that is looked at.
  uv->idle_stop(idle_);
  RefreshState();
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value pump, receiver, exception;
  napi_get_reference_value(env_, pump_, &pump);
  napi_get_reference_value(env_, environment_->host_receiver, &receiver);
  const napi_async_context context = environment_->host_async;
  // JavaScript that the runtime calls is always in a callback scope, and its own parts (TLS among them) count on it: one that
  // they open and close themselves, at no depth, would end the async context of whoever has called them.
  napi_callback_scope callbacks = nullptr;
  if (tick_ != nullptr && napi_open_callback_scope(env_, receiver, context, &callbacks) != napi_ok)
    callbacks = nullptr;
  const napi_status status = napi_call_function(env_, receiver, pump, 0, nullptr, nullptr);
  if (status == napi_pending_exception && napi_get_and_clear_last_exception(env_, &exception) == napi_ok) {
    napi_fatal_exception(env_, exception);
  }
  if (callbacks != nullptr) napi_close_callback_scope(env_, callbacks);
  napi_close_handle_scope(env_, scope);
  // A worker that is being terminated runs no more JavaScript: leave at once. Stop() and cleanup change the flags.
  if (closing_ || !started_ || (status != napi_ok && status != napi_pending_exception)) return;
  uv->idle_start(idle_, Nothing);
}

// process.nextTick and the microtasks, after a turn. The pump's scope would have them run at its end only, after all the
// turns of a call, so they are asked for by the function that the runtime itself calls at such an end; what they throw
// leaves the pump. Where a runtime does not show that function, there is no scope around the pump, and opening and
// closing one here is the documented way.
void Host::Drain() {
  napi_callback_scope scope;
  if (tick_ != nullptr) {
    napi_value receiver, tick;
    napi_get_reference_value(env_, environment_->host_receiver, &receiver);
    napi_get_reference_value(env_, tick_, &tick);
    if (napi_call_function(env_, receiver, tick, 0, nullptr, nullptr) != napi_ok) return;
  } else if (napi_open_callback_scope(env_, nullptr, environment_->host_async, &scope) == napi_ok) {
    napi_close_callback_scope(env_, scope);
  }
  RefreshState();
}

void Host::RefreshState() {
  const Symbols* uv = LoadedSymbols();
  auto* state = reinterpret_cast<HostState*>(state_block_->data());
  const int timeout_ms = uv->backend_timeout(loop_);
  // 0 also while the loop has watchers that it has not handed to the kernel yet: "need to call uv_run to update the
  // backend fd state" (uv_backend_timeout() in libuv 1.45 and later).
  if (timeout_ms == 0) {
    state->runtime_due_ms = 0;
    state->runtime_deadline_ms = 0;
  } else if (timeout_ms < 0) {
    // Without a timer of the runtime's nobody asks what time it is: a clock read less per turn.
    state->runtime_due_ms = std::numeric_limits<double>::infinity();
    state->runtime_deadline_ms = state->runtime_due_ms;
  } else {
    state->runtime_deadline_ms = static_cast<double>(uv->now(loop_)) + timeout_ms;
    // Whole milliseconds, as libuv counts them: an exact wait would fire timers up to one millisecond earlier than the
    // runtime alone does, for their start was rounded down.
    const double left_ms = state->runtime_deadline_ms - std::floor(MonotonicMs());
    state->runtime_due_ms = left_ms > 0 ? left_ms : 0;
  }
}

void Host::OnEnvironmentCleanup(napi_async_cleanup_hook_handle hook, void* data) {
  auto* host = static_cast<Host*>(data);
  const Symbols* uv = LoadedSymbols();
  host->closing_ = true;
  if (host->environment_ != nullptr) host->environment_->host = nullptr;
  // The runtime frees its environment, but not what a reference has allocated for us.
  napi_delete_reference(host->env_, host->pump_);
  if (host->tick_ != nullptr) napi_delete_reference(host->env_, host->tick_);
  uv->close(host->idle_, OnClosed);
  uv->close(host->prepare_, OnClosed);
  (void)hook;
}

void Host::OnClosed(void* handle) {
  auto* host = static_cast<Host*>(LoadedSymbols()->get_data(handle));
  if (--host->open_handles_ > 0) return;
  napi_remove_async_cleanup_hook(host->cleanup_);
  delete host;
}

namespace {

// (pump: () => void) => { fd, sliceFd, state: ArrayBuffer } or null
napi_value HostOpen(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Environment* environment = arguments.environment;
  napi_value result = nullptr;
  if (environment->host == nullptr) environment->host = Host::Open(environment, arguments.values[0]);
  if (environment->host == nullptr) {
    napi_get_null(env, &result);
    return result;
  }
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "fd", Result(env, environment->host->backend_fd()));
  napi_set_named_property(env, result, "sliceFd", Result(env, environment->host->slice_fd()));
  napi_set_named_property(env, result, "state", environment->host->StateBuffer());
  return result;
}

napi_value HostStart(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  if (arguments.environment->host != nullptr) arguments.environment->host->Start();
  return nullptr;
}

napi_value HostStop(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  if (arguments.environment->host != nullptr) arguments.environment->host->Stop();
  return nullptr;
}

napi_value HostDrain(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  if (arguments.environment->host != nullptr) arguments.environment->host->Drain();
  return nullptr;
}

napi_value HostRef(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  bool ref = true;
  napi_get_value_bool(env, arguments.values[0], &ref);
  if (arguments.environment->host != nullptr) arguments.environment->host->SetRef(ref);
  return nullptr;
}

}  // namespace

static void DestroyContext(void* data) {
  auto* environment = static_cast<Environment*>(data);
  napi_async_destroy(environment->env, environment->host_async);
  napi_delete_reference(environment->env, environment->host_receiver);
  environment->host_async = nullptr;
}

void ExportHost(Environment* environment, napi_value exports) {
  if (LoadedSymbols() != nullptr) {
    const napi_env env = environment->env;
    napi_value receiver, name;
    napi_create_object(env, &receiver);
    napi_create_reference(env, receiver, 1, &environment->host_receiver);
    napi_create_string_utf8(env, "underloop", NAPI_AUTO_LENGTH, &name);
    napi_async_init(env, receiver, name, &environment->host_async);
    napi_add_env_cleanup_hook(env, DestroyContext, environment);
  }
  Export(environment, exports, "hostOpen", HostOpen);
  Export(environment, exports, "hostStart", HostStart);
  Export(environment, exports, "hostStop", HostStop);
  Export(environment, exports, "hostDrain", HostDrain);
  Export(environment, exports, "hostRef", HostRef);
}

}  // namespace underloop
