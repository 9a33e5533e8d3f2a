// JavaScript's way to the threads of offload.h.
#include <napi.h>

#include <cerrno>
#include <cstdlib>

#include "environment.h"
#include "offload.h"

namespace underloop {
namespace {

napi_value OffloadOpen(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  std::shared_ptr<Offload> offload;
  const int error = Offload::Open(static_cast<size_t>(arguments.Int(0)), &offload);
  if (error < 0) return Result(env, error);
  const int fd = offload->fd();
  Napi::Array both = Napi::Array::New(env);
  both.Set(0u, arguments.environment->offloads.Add(std::move(offload)));
  both.Set(1u, fd);
  return both;
}

napi_value OffloadClose(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int32_t handle = arguments.Int(0);
  Offload* offload = arguments.environment->offloads.Find(handle);
  if (offload == nullptr) return Result(env, -EBADF);
  offload->Close();
  arguments.environment->offloads.Remove(handle);
  return Result(env, 0);
}

// The name of a host or a path: at most PATH_MAX of Linux.
bool Text(napi_env env, napi_value value, std::string* text) {
  char bytes[4096];
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, bytes, sizeof bytes, &length) != napi_ok) return false;
  if (length == sizeof bytes - 1) return false;
  text->assign(bytes, length);
  return true;
}

// (handle, id, host) => 0 or -errno
napi_value OffloadResolve(napi_env env, napi_callback_info info) {
  const Arguments<3> arguments(env, info);
  Offload* offload = arguments.environment->offloads.Find(arguments.Int(0));
  if (offload == nullptr) return Result(env, -EBADF);
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kResolve, arguments.Double(1));
  if (!Text(env, arguments.values[2], &call->text)) return Result(env, -ENAMETOOLONG);
  return Result(env, offload->Submit(std::move(call)));
}

// (handle, id, path, bytesMax) => 0 or -errno
napi_value OffloadReadFile(napi_env env, napi_callback_info info) {
  const Arguments<4> arguments(env, info);
  Offload* offload = arguments.environment->offloads.Find(arguments.Int(0));
  if (offload == nullptr) return Result(env, -EBADF);
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kReadFile, arguments.Double(1));
  if (!Text(env, arguments.values[2], &call->text)) return Result(env, -ENAMETOOLONG);
  call->bytes_max = static_cast<size_t>(arguments.Double(3));
  return Result(env, offload->Submit(std::move(call)));
}

// (handle, id, fd, offset, length) => 0 or -errno
napi_value OffloadReadChunk(napi_env env, napi_callback_info info) {
  const Arguments<5> arguments(env, info);
  Offload* offload = arguments.environment->offloads.Find(arguments.Int(0));
  if (offload == nullptr) return Result(env, -EBADF);
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kReadChunk, arguments.Double(1));
  call->fd = arguments.Int(2);
  call->offset = static_cast<int64_t>(arguments.Double(3));
  call->bytes_max = static_cast<size_t>(arguments.Double(4));
  return Result(env, offload->Submit(std::move(call)));
}

napi_value OffloadCancel(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Offload* offload = arguments.environment->offloads.Find(arguments.Int(0));
  return Result(env, offload != nullptr && offload->Cancel(arguments.Double(1)) ? 1 : 0);
}

// (handle, outcome: Float64Array of 2) => ArrayBuffer, string or undefined
napi_value OffloadTake(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  Offload* offload = arguments.environment->offloads.Find(arguments.Int(0));
  napi_typedarray_type type;
  size_t length = 0;
  void* outcome = nullptr;
  if (offload == nullptr ||
      napi_get_typedarray_info(env, arguments.values[1], &type, &length, &outcome, nullptr, nullptr) !=
          napi_ok ||
      type != napi_float64_array || length < 2) {
    return nullptr;
  }
  const std::unique_ptr<OffloadCall> call = offload->Take();
  if (call == nullptr) return nullptr;
  static_cast<double*>(outcome)[0] = call->id;
  static_cast<double*>(outcome)[1] = call->result;
  napi_value value = nullptr;
  if (call->result < 0 || call->kind == OffloadCall::Kind::kResolve) {
    napi_create_string_utf8(env, call->addresses.data(), call->addresses.size(), &value);
    return value;
  }
  // The memory is JavaScript's now.
  const napi_status status = napi_create_external_arraybuffer(
      env, call->data, static_cast<size_t>(call->result), [](napi_env, void* data, void*) { free(data); },
      nullptr, &value);
  if (status == napi_ok) call->data = nullptr;
  return value;
}

}  // namespace

void ExportOffload(Environment* environment, napi_value exports) {
  Export(environment, exports, "offloadOpen", OffloadOpen);
  Export(environment, exports, "offloadClose", OffloadClose);
  Export(environment, exports, "offloadResolve", OffloadResolve);
  Export(environment, exports, "offloadReadFile", OffloadReadFile);
  Export(environment, exports, "offloadReadChunk", OffloadReadChunk);
  Export(environment, exports, "offloadCancel", OffloadCancel);
  Export(environment, exports, "offloadTake", OffloadTake);
}

}  // namespace underloop
