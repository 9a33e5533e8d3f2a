// JavaScript's way to a ring: it is opened here, and is a poller like the others from then on.
#include <napi.h>

#include <cerrno>

#include "completions.h"

namespace underloop {
namespace {

// (buffers, bufferBytes, cqEntries, multishot, deferred) => a poller's handle, or [-errno, what was refused]
napi_value UringOpen(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  const uring::Options options{arguments.Int(0), arguments.Int(1), arguments.Int(2), arguments.Int(3) != 0,
                               arguments.Int(4) != 0};
  int error = -ENOTSUP;
  const char* what = "io_uring_setup";
  std::unique_ptr<Poller> poller;
#ifdef __linux__
  poller = uring::OpenUring(options, &arguments.environment->descriptors, &error, &what);
#else
  (void)options;
#endif
  if (poller != nullptr) return Result(env, arguments.environment->AddPoller(std::move(poller)));
  Napi::Array refusal = Napi::Array::New(env, 2);
  refusal.Set(0u, error);
  refusal.Set(1u, what);
  return refusal;
}

uring::CompletionPoller* Find(const Arguments<1>& arguments) {
  Poller* poller = arguments.environment->poller(arguments.Int(0));
  return poller == nullptr ? nullptr : poller->completions();
}

// (handle) => { arena, records, rows, counts, stride, stagingStart, multishotReceive, deferred, ... }
napi_value UringDescribe(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  uring::CompletionPoller* poller = Find(arguments);
  if (poller == nullptr) return Result(env, -EBADF);
  Napi::Object result = Napi::Object::New(env);
  const auto share = [&](const char* name, SharedBlock* block) {
    result.Set(name, Napi::Value(env, block->ToArrayBuffer(env)));
  };
  share("arena", poller->area.arena);
  share("records", poller->area.records);
  share("rows", poller->area.rows);
  share("counts", poller->area.counts);
  result.Set("fd", poller->ring_fd());
  result.Set("stride", poller->area.stride);
  result.Set("stagingStart", poller->area.staging_start);
  const uring::Found found = poller->found();
  result.Set("multishotAccept", found.multishot_accept);
  result.Set("multishotReceive", found.multishot_receive);
  result.Set("deferred", found.deferred);
  result.Set("registeredFd", found.registered_fd);
  result.Set("submitAll", found.submit_all);
  return result;
}

// (handle) => an ArrayBuffer of twice the size for the records
napi_value UringGrow(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  uring::CompletionPoller* poller = Find(arguments);
  if (poller == nullptr) return Result(env, -EBADF);
  poller->GrowRecords();
  return poller->area.records->ToArrayBuffer(env);
}

// (fd, blocking) => 0 or -errno
napi_value UringSetBlocking(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
#ifdef __linux__
  return Result(env, uring::SetBlocking(arguments.Int(0), arguments.Int(1) != 0));
#else
  return Result(env, -ENOTSUP);
#endif
}

}  // namespace

void ExportUring(Environment* environment, napi_value exports) {
  Export(environment, exports, "uringOpen", UringOpen);
  Export(environment, exports, "uringDescribe", UringDescribe);
  Export(environment, exports, "uringGrow", UringGrow);
  Export(environment, exports, "uringSetBlocking", UringSetBlocking);
}

}  // namespace underloop
