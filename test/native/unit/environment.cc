// What an environment keeps for JavaScript: its descriptors, memory that two languages share, and the lifeline.
#include <sys/wait.h>

#include <thread>

#include "blocking/lifeline.h"
#include "open_descriptors.h"
#include "shared_block.h"
#include "tools.h"

using namespace underloop;

namespace {

// Stands in for the runtime: holds what an ArrayBuffer over external memory would.
struct FakeBuffer {
  void* data = nullptr;
  size_t bytes = 0;
  napi_finalize finalize = nullptr;
  void* hint = nullptr;
  bool is_forbidden = false;
  void Collect() { finalize(nullptr, data, hint); }
};
thread_local FakeBuffer made;

}  // namespace

extern "C" napi_status napi_create_external_arraybuffer(napi_env, void* data, size_t bytes,
                                                        napi_finalize finalize, void* hint,
                                                        napi_value* result) {
  if (made.is_forbidden) return napi_no_external_buffers_allowed;
  made = {data, bytes, finalize, hint, false};
  *result = reinterpret_cast<napi_value>(&made);
  return napi_ok;
}

TEST_CASE("descriptors that were opened and not closed are closed with the environment, and no others") {
  Pipe pipe;
  Pipe closed;
  OpenDescriptors descriptors;
  CHECK(descriptors.Opened(-EMFILE) == -EMFILE);
  const int mine = dup(pipe.in);
  CHECK(descriptors.Opened(mine) == mine);
  CHECK(descriptors.Opened(closed.in) == closed.in);
  descriptors.Closed(closed.in);
  descriptors.Closed(-1);
  descriptors.Closed(1 << 20);
  descriptors.CloseAll();
  CHECK(fcntl(mine, F_GETFD) == -1);
  CHECK(fcntl(pipe.in, F_GETFD) >= 0);
  CHECK(fcntl(closed.in, F_GETFD) >= 0);
  const Fd reused(dup(pipe.in));
  descriptors.CloseAll();  // what was closed once is not closed again under its number's next owner
  CHECK(fcntl(reused, F_GETFD) >= 0);
}

TEST_CASE("a shared block lives until the last of both languages has let go, in either order") {
  for (const bool native_first : {true, false}) {
    SharedBlock* block = SharedBlock::Make(64);
    CHECK(block->size() == 64);
    CHECK(block->data()[63] == 0);
    REQUIRE(block->ToArrayBuffer(nullptr) != nullptr);
    FakeBuffer first = made;
    REQUIRE(block->ToArrayBuffer(nullptr) != nullptr);
    FakeBuffer second = made;
    first.Collect();
    if (native_first) block->Unref();
    static_cast<uint8_t*>(second.data)[63] = 1;
    second.Collect();
    if (!native_first) {
      CHECK(block->data()[63] == 1);
      block->Unref();
    }
  }
}

TEST_CASE("a runtime that forbids external memory leaves the block to native code") {
  SharedBlock* block = SharedBlock::Make(8);
  made.is_forbidden = true;
  CHECK(block->ToArrayBuffer(nullptr) == nullptr);
  made = {};
  block->Unref();
}

TEST_CASE("both languages may let go at the same moment, on two threads") {
  for (int i = 0; i < 200; i++) {
    SharedBlock* block = SharedBlock::Make(16);
    REQUIRE(block->ToArrayBuffer(nullptr) != nullptr);
    FakeBuffer buffer = made;
    std::thread collector([buffer]() mutable {
      static_cast<uint8_t*>(buffer.data)[0] = 1;
      buffer.Collect();
    });
    block->data()[8] = 2;
    block->Unref();
    collector.join();
  }
}

TEST_CASE("a lifeline ends the process with its parent's pipe, whatever the main thread does") {
  CHECK(blocking::StartLifeline(-1) == -EBADF);
  for (const bool is_blocking : {true, false}) {
    Pipe pipe;
    if (is_blocking) fcntl(pipe.in, F_SETFL, 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      pipe.out.Close();
      if (blocking::StartLifeline(pipe.in) != 0) _exit(9);
      for (;;) pause();
    }
    pipe.Write(5);  // is read and means nothing
    CHECK(waitpid(child, nullptr, WNOHANG) == 0);
    pipe.out.Close();
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
  }
}
