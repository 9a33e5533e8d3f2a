// JavaScript's way to the pollers: plain functions on a small integer handle, which is cheaper than wrapped objects.
#include <napi.h>

#include <cerrno>
#include <string>

#include "environment.h"
#include "host.h"
#include "waker.h"

namespace underloop {
namespace {

// (kind: string) => handle or -errno
napi_value PollerOpen(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  char kind[16];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, arguments.values[0], kind, sizeof kind, &length) != napi_ok) {
    return Result(env, -EINVAL);
  }
  int error = 0;
  std::unique_ptr<Poller> poller = OpenPoller({kind, length}, &error);
  if (poller == nullptr) return Result(env, error);
  return Result(env, arguments.environment->AddPoller(std::move(poller)));
}

napi_value PollerClose(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int32_t handle = arguments.Int(0);
  if (arguments.environment->poller(handle) == nullptr) return Result(env, -EBADF);
  arguments.environment->ClosePoller(handle);
  return Result(env, 0);
}

// (handle) => { edge, oneshot, exclusive, nestable, fdMax, resolutionMs, fd }
napi_value PollerDescribe(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Poller* poller = arguments.environment->poller(arguments.Int(0));
  if (poller == nullptr) return Result(env, -EBADF);
  const Capabilities capabilities = poller->capabilities();
  Napi::Object result = Napi::Object::New(env);
  result.Set("edge", capabilities.edge);
  result.Set("oneshot", capabilities.oneshot);
  result.Set("exclusive", capabilities.exclusive);
  result.Set("nestable", capabilities.nestable);
  result.Set("fdMax", static_cast<double>(capabilities.fd_max));
  result.Set("resolutionMs", capabilities.resolution_ms);
  result.Set("fd", poller->fd());
  return result;
}

// (handle, fd, interest, slot, generation) => 0 or -errno
template <int (Poller::*Operation)(int, int32_t, Token)>
napi_value PollerRegister(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  Poller* poller = arguments.environment->poller(arguments.Int(0));
  if (poller == nullptr) return Result(env, -EBADF);
  const Token token{arguments.Int(3), arguments.Int(4)};
  return Result(env, (poller->*Operation)(arguments.Int(1), arguments.Int(2), token));
}

napi_value PollerRemove(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Poller* poller = arguments.environment->poller(arguments.Int(0));
  return Result(env, poller == nullptr ? -EBADF : poller->Remove(arguments.Int(1)));
}

// (handle, eventsMax) => an ArrayBuffer that pollerWaitOwn() fills. It belongs to the poller and is counted, so that
// its pointer may be kept: a look-up of the caller's array costs as much as a system call that finds nothing.
napi_value PollerEvents(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const int32_t handle = arguments.Int(0);
  const int32_t events_max = arguments.Int(1);
  if (arguments.environment->poller(handle) == nullptr || events_max < 1) return Result(env, -EINVAL);
  SharedBlock*& events = arguments.environment->pollers[static_cast<size_t>(handle)].events;
  if (events != nullptr) return Result(env, -EBUSY);
  events = SharedBlock::Make(static_cast<size_t>(events_max) * sizeof(Event));
  return events->ToArrayBuffer(env);
}

// (handle, eventsMax) => an ArrayBuffer in which each wait leaves the mechanism's own flags, 32 bits per event.
napi_value PollerRaw(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const int32_t handle = arguments.Int(0);
  const int32_t events_max = arguments.Int(1);
  Poller* poller = arguments.environment->poller(handle);
  if (poller == nullptr || events_max < 1) return Result(env, -EINVAL);
  SharedBlock*& raw = arguments.environment->pollers[static_cast<size_t>(handle)].raw;
  if (raw != nullptr) return Result(env, -EBUSY);
  raw = SharedBlock::Make(static_cast<size_t>(events_max) * sizeof(uint32_t));
  poller->TellRaw(reinterpret_cast<uint32_t*>(raw->data()), events_max);
  return raw->ToArrayBuffer(env);
}

}  // namespace

bool RunsJavaScript(Environment* environment) {
  napi_env env = environment->env;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return false;
  napi_value function, receiver, result;
  napi_status status = napi_ok;
  if (environment->nothing == nullptr) {
    napi_value source;
    napi_create_string_utf8(env, "(() => {})", NAPI_AUTO_LENGTH, &source);
    status = napi_run_script(env, source, &function);
    if (status == napi_ok) napi_create_reference(env, function, 1, &environment->nothing);
  } else {
    napi_get_reference_value(env, environment->nothing, &function);
  }
  napi_get_undefined(env, &receiver);
  if (status == napi_ok) status = napi_call_function(env, receiver, function, 0, nullptr, &result);
  napi_close_handle_scope(env, scope);
  return status == napi_ok;
}

namespace {

// A wait without bound in a worker would make Worker.terminate() wait without bound too: nothing interrupts a thread in
// epoll_wait but a signal, and that ends no wait here. So it comes up for air. Beside the runtime there is no need: the
// runtime's own fd is in the set, and terminate() makes that readable.
int Wait(Environment* environment, Poller* poller, Event* events, int capacity, double timeout_ms) {
  const bool beside_runtime = environment->host != nullptr && environment->host->started();
  const bool longer = timeout_ms < 0 || timeout_ms > kTerminableSliceMs;
  if (!environment->terminable || beside_runtime || !longer)
    return poller->Wait(events, capacity, timeout_ms);
  const double end_ms = MonotonicMs() + timeout_ms;
  for (;;) {
    const double left_ms = timeout_ms < 0 ? kTerminableSliceMs : end_ms - MonotonicMs();
    const bool last = left_ms <= kTerminableSliceMs && timeout_ms >= 0;
    const int count = poller->Wait(events, capacity, last ? (left_ms > 0 ? left_ms : 0) : kTerminableSliceMs);
    if (count != 0 || last || poller->woken()) return count;
    if (!RunsJavaScript(environment)) return -ECANCELED;
  }
}

// (handle, timeoutMs) => count or -errno
napi_value PollerWaitOwn(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const int32_t handle = arguments.Int(0);
  Poller* poller = arguments.environment->poller(handle);
  if (poller == nullptr) return Result(env, -EBADF);
  SharedBlock* events = arguments.environment->pollers[static_cast<size_t>(handle)].events;
  if (events == nullptr) return Result(env, -EINVAL);
  return Result(env, Wait(arguments.environment, poller, reinterpret_cast<Event*>(events->data()),
                          static_cast<int>(events->size() / sizeof(Event)), arguments.Double(1)));
}

// (handle, events: Int32Array, timeoutMs) => count or -errno. The pointer is asked anew at every call: the caller's
// array may have been detached or shrunk since.
napi_value PollerWait(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  Poller* poller = arguments.environment->poller(arguments.Int(0));
  if (poller == nullptr) return Result(env, -EBADF);
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, arguments.values[1], &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_int32_array || data == nullptr || length < 3) {
    return Result(env, -EINVAL);
  }
  const size_t capacity = length / 3;
  return Result(env, Wait(arguments.environment, poller, static_cast<Event*>(data),
                          capacity > 65536 ? 65536 : static_cast<int>(capacity), arguments.Double(2)));
}

napi_value PollerWake(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  Poller* poller = arguments.environment->poller(arguments.Int(0));
  if (poller != nullptr) poller->Wake();
  return nullptr;
}

}  // namespace

void ExportPollers(Environment* environment, napi_value exports) {
  Napi::Array kinds = Napi::Array::New(environment->env);
  for (std::string_view kind : PollerKinds()) kinds.Set(kinds.Length(), std::string(kind));
  napi_set_named_property(environment->env, exports, "pollerKinds", kinds);
  Export(environment, exports, "pollerOpen", PollerOpen);
  Export(environment, exports, "pollerClose", PollerClose);
  Export(environment, exports, "pollerDescribe", PollerDescribe);
  Export(environment, exports, "pollerAdd", PollerRegister<&Poller::Add>);
  Export(environment, exports, "pollerModify", PollerRegister<&Poller::Modify>);
  Export(environment, exports, "pollerRemove", PollerRemove);
  Export(environment, exports, "pollerEvents", PollerEvents);
  Export(environment, exports, "pollerRaw", PollerRaw);
  Export(environment, exports, "pollerWaitOwn", PollerWaitOwn);
  Export(environment, exports, "pollerWait", PollerWait);
  Export(environment, exports, "pollerWake", PollerWake);
}

}  // namespace underloop
