// Entry of the addon: makes the environment and exports every mechanism to src/binding.ts.
#include <napi.h>

#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#elif defined(__APPLE__)
#include <pthread.h>
#else
#include <pthread_np.h>
#endif

#include "environment.h"
#include "host.h"
#include "offload.h"
#include "wait_thread.h"

namespace underloop {

int32_t Environment::AddPoller(std::unique_ptr<Poller> poller) {
  for (size_t i = 0; i < pollers.size(); i++) {
    if (pollers[i].poller != nullptr) continue;
    pollers[i].poller = std::move(poller);
    return static_cast<int32_t>(i);
  }
  pollers.push_back({std::move(poller), nullptr, nullptr});
  return static_cast<int32_t>(pollers.size() - 1);
}

void Environment::ClosePoller(int32_t handle) {
  OpenPoller& open = pollers[static_cast<size_t>(handle)];
  open.poller.reset();
  if (open.events != nullptr) open.events->Unref();
  if (open.raw != nullptr) open.raw->Unref();
  open.events = open.raw = nullptr;
}

Environment::~Environment() {
  wait_threads.Clear();  // they poll what is closed next
  offloads.ForEach([](Offload* offload) { offload->Close(); });
  for (size_t i = 0; i < pollers.size(); i++) ClosePoller(static_cast<int32_t>(i));
  descriptors.CloseAll();
  if (host != nullptr) host->Detach();
  if (buffer != nullptr) buffer->Unref();
  if (nothing != nullptr) napi_delete_reference(env, nothing);
}

void Export(Environment* environment, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(environment->env, name, NAPI_AUTO_LENGTH, callback, environment, &function);
  napi_set_named_property(environment->env, exports, name, function);
}

namespace {

napi_value Now(napi_env env, napi_callback_info) {
  napi_value result = nullptr;
  napi_create_double(env, MonotonicMs(), &result);
  return result;
}

// A call that does nothing with three integers: what crossing into native code costs. For bench/ only.
napi_value Nothing(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  return Result(env, arguments.Int(0) + arguments.Int(1) + arguments.Int(2));
}

// The runtime's main environment runs on the process's first thread, workers on others.
bool OnMainThread() {
#ifdef __linux__
  return syscall(SYS_gettid) == getpid();
#else
  return pthread_main_np() != 0;
#endif
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  auto* environment = new Environment();
  environment->env = env;
  environment->terminable = !OnMainThread();
  environment->buffer = SharedBlock::Make(kReadBufferBytes);
  env.SetInstanceData<Environment>(environment);  // deleted with the environment

  napi_value buffer = environment->buffer->ToArrayBuffer(env);
  if (buffer == nullptr) {
    // A runtime with a memory cage (V8 sandbox) forbids external memory, and then nothing may cache a pointer.
    Napi::Error::New(env, "underloop: this runtime forbids external ArrayBuffers (V8 memory cage)")
        .ThrowAsJavaScriptException();
    return exports;
  }
  exports.Set("buffer", Napi::Value(env, buffer));
  Export(environment, exports, "now", Now);
  Export(environment, exports, "nothing", Nothing);
  ExportPollers(environment, exports);
  ExportSockets(environment, exports);
  ExportAddresses(environment, exports);
  ExportDatagrams(environment, exports);
  ExportStreams(environment, exports);
  ExportDescriptors(environment, exports);
  ExportInspection(environment, exports);
  ExportHost(environment, exports);
  ExportOffload(environment, exports);
  ExportWaitThreads(environment, exports);
  ExportBlocking(environment, exports);
  ExportBlockingClient(environment, exports);
  ExportUring(environment, exports);
  return exports;
}

}  // namespace
}  // namespace underloop

static Napi::Object Init(Napi::Env env, Napi::Object exports) { return underloop::Init(env, exports); }

NODE_API_MODULE(underloop_native, Init)
