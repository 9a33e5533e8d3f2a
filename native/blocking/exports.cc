// The blocking models, as JavaScript starts, stops and counts them; their clocks and the lifeline.
#include <fcntl.h>
#include <napi.h>
#include <unistd.h>

#include <cerrno>

#include "../environment.h"
#include "blocking.h"
#include "clocks.h"
#include "lifeline.h"
#include "server.h"

namespace underloop {

Blocking::~Blocking() {
  for (auto& server : servers) server.reset();
  if (schedstat_fd >= 0) close(schedstat_fd);
}

namespace blocking {
namespace {

Server* ServerOf(Environment* environment, int32_t handle) {
  auto& servers = environment->blocking->servers;
  return handle >= 0 && static_cast<size_t>(handle) < servers.size()
             ? servers[static_cast<size_t>(handle)].get()
             : nullptr;
}

// (model, listenFd, upstreamPort, threads, stackBytes, requestsPerConnection, queueMax, wakeByPipe) => handle or -errno
napi_value Start(napi_env env, napi_callback_info info) {
  const Arguments<8> arguments(env, info);
  Options options;
  options.model = static_cast<Model>(arguments.Int(0));
  options.listen_fd = arguments.Int(1);
  options.upstream_port = static_cast<uint16_t>(arguments.Int(2));
  options.threads = static_cast<size_t>(arguments.Int(3));
  options.stack_bytes = static_cast<size_t>(arguments.Double(4));
  options.requests_per_connection = static_cast<uint32_t>(arguments.Int(5));
  options.queue_max = static_cast<size_t>(arguments.Int(6));
  options.wake_by_pipe = arguments.Int(7) == 1;
  if (fcntl(options.listen_fd, F_GETFD) < 0) return Result(env, -errno);
  // The server closes it from now on, also when it cannot start.
  arguments.environment->descriptors.Closed(options.listen_fd);
  auto& servers = arguments.environment->blocking->servers;
  std::unique_ptr<Server> server;
  const int error = Server::Start(options, &server);
  if (error < 0) return Result(env, error);
  size_t handle = 0;
  while (handle < servers.size() && servers[handle] != nullptr) handle++;
  if (handle == servers.size()) servers.emplace_back();
  servers[handle] = std::move(server);
  return Result(env, static_cast<int32_t>(handle));
}

// (handle) => 0 or -EBADF. Returns when every thread has ended and was joined.
napi_value Stop(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  const int32_t handle = arguments.Int(0);
  if (ServerOf(arguments.environment, handle) == nullptr) return Result(env, -EBADF);
  arguments.environment->blocking->servers[static_cast<size_t>(handle)].reset();
  return Result(env, 0);
}

// (handle, Float64Array of 8) => 0 or -errno. The order is that of src/models/blocking.ts.
napi_value Count(napi_env env, napi_callback_info info) {
  const Arguments<2> arguments(env, info);
  const Server* server = ServerOf(arguments.environment, arguments.Int(0));
  if (server == nullptr) return Result(env, -EBADF);
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, arguments.values[1], &type, &length, &data, nullptr, nullptr) !=
          napi_ok ||
      type != napi_float64_array || length < 8) {
    return Result(env, -EINVAL);
  }
  const Counters& counters = server->counters;
  const std::atomic<uint64_t>* const all[8] = {&counters.accepted, &counters.connections, &counters.serving,
                                               &counters.served,   &counters.refused,     &counters.errors,
                                               &counters.queued,   &counters.threads};
  for (size_t i = 0; i < 8; i++) static_cast<double*>(data)[i] = static_cast<double>(all[i]->load());
  return Result(env, 0);
}

napi_value Number(napi_env env, uint64_t value) {
  napi_value result = nullptr;
  napi_create_double(env, static_cast<double>(value), &result);
  return result;
}

template <uint64_t (*Read)()>
napi_value ReadNumber(napi_env env, napi_callback_info) {
  return Number(env, Read());
}

napi_value ReadThreadId(napi_env env, napi_callback_info) { return Number(env, ThreadId()); }

// An environment is one thread for its whole life, so its file stays open.
napi_value ReadOwnRunDelayNs(napi_env env, napi_callback_info info) {
  const Arguments<0> arguments(env, info);
  Blocking& blocking = *arguments.environment->blocking;
  if (blocking.schedstat_fd == Blocking::kNotOpened) blocking.schedstat_fd = OpenSchedstat();
  return Number(env, ReadRunDelayNs(blocking.schedstat_fd));
}

napi_value LifelineStart(napi_env env, napi_callback_info info) {
  const Arguments<1> arguments(env, info);
  return Result(env, StartLifeline(arguments.Int(0)));
}

}  // namespace
}  // namespace blocking

void ExportBlocking(Environment* environment, napi_value exports) {
  environment->blocking = std::make_shared<Blocking>();
  Export(environment, exports, "blockingStart", blocking::Start);
  Export(environment, exports, "blockingStop", blocking::Stop);
  Export(environment, exports, "blockingCounters", blocking::Count);
  Export(environment, exports, "monotonicNs", blocking::ReadNumber<blocking::MonotonicNs>);
  Export(environment, exports, "threadCpuNs", blocking::ReadNumber<blocking::ThreadCpuNs>);
  Export(environment, exports, "threadId", blocking::ReadThreadId);
  Export(environment, exports, "runDelayNs", blocking::ReadOwnRunDelayNs);
  Export(environment, exports, "lifelineStart", blocking::LifelineStart);
}

}  // namespace underloop
