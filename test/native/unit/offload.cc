// The pool of threads for blocking system calls: no call is lost or done twice, and closing waits for nobody.
#include "offload.h"

#include <sys/stat.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <thread>

#include "tools.h"

using namespace underloop;

namespace {

constexpr size_t kFileBytes = 10000;

// A file of kFileBytes bytes, byte i being i % 251.
struct File {
  char path[32] = "/tmp/underloop-unit-XXXXXX";
  Fd fd;
  File() : fd(mkstemp(path)) {
    std::string bytes;
    for (size_t i = 0; i < kFileBytes; i++) bytes += static_cast<char>(i % 251);
    REQUIRE(write(fd, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  ~File() { unlink(path); }
};

std::shared_ptr<Offload> Open(size_t threads_max) {
  std::shared_ptr<Offload> offload;
  REQUIRE(Offload::Open(threads_max, &offload) == 0);
  return offload;
}

std::unique_ptr<OffloadCall> Chunk(double id, int fd, int64_t offset, size_t bytes) {
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kReadChunk, id);
  call->fd = fd;
  call->offset = offset;
  call->bytes_max = bytes;
  return call;
}

std::unique_ptr<OffloadCall> ReadAll(double id, const char* path, size_t bytes_max) {
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kReadFile, id);
  call->text = path;
  call->bytes_max = bytes_max;
  return call;
}

// The next call that is done.
std::unique_ptr<OffloadCall> Next(Offload& offload) {
  for (;;) {
    if (auto call = offload.Take()) return call;
    REQUIRE(BecomesReadable(offload.fd()));
  }
}

void WaitUntilGone(const std::weak_ptr<Offload>& offload) {
  for (int i = 0; i < 20000 && !offload.expired(); i++)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(offload.expired());
}

}  // namespace

TEST_CASE("every call is done exactly once, with its own bytes") {
  File file;
  const auto offload = Open(4);
  constexpr int kCalls = 400;
  for (int i = 0; i < kCalls; i++)
    REQUIRE(offload->Submit(Chunk(i, file.fd, i * 20, static_cast<size_t>(i % 60))) == 0);
  std::map<int, int> done;
  for (int i = 0; i < kCalls; i++) {
    const auto call = Next(*offload);
    const int id = static_cast<int>(call->id);
    done[id]++;
    REQUIRE(call->result == id % 60);
    for (int k = 0; k < call->result; k++) REQUIRE(call->data[k] == (id * 20 + k) % 251);
  }
  CHECK(done.size() == kCalls);
  CHECK(offload->Take() == nullptr);
  offload->Close();
}

TEST_CASE("a call is either taken back or done, never both and never neither") {
  File file;
  const auto offload = Open(2);
  constexpr int kCalls = 300;
  int cancelled = 0;
  for (int i = 0; i < kCalls; i++) {
    REQUIRE(offload->Submit(Chunk(i, file.fd, 0, 4096)) == 0);
    if (i % 2 == 0 && offload->Cancel(i)) cancelled++;
  }
  CHECK_FALSE(offload->Cancel(kCalls + 1));
  std::map<double, int> done;
  for (int i = cancelled; i < kCalls; i++) done[Next(*offload)->id]++;
  CHECK(static_cast<int>(done.size()) + cancelled == kCalls);
  CHECK(offload->Take() == nullptr);
  offload->Close();
}

TEST_CASE("a file is read to its end, within its bound, and its errors are told") {
  File file;
  const auto offload = Open(1);
  const struct {
    const char* path;
    size_t bytes_max;
    int result;
  } cases[] = {{file.path, kFileBytes, kFileBytes},
               {file.path, kFileBytes + 1, kFileBytes},
               {file.path, kFileBytes - 1, -EFBIG},
               {file.path, 0, -EFBIG},
               {"/nonexistent/file", 10, -ENOENT},
               {"/tmp", 10, -EISDIR},
               {"/dev/null", 0, 0},
               {"/dev/null", 100, 0}};
  for (const auto& one : cases) {
    CAPTURE(one.path);
    CAPTURE(one.bytes_max);
    REQUIRE(offload->Submit(ReadAll(1, one.path, one.bytes_max)) == 0);
    CHECK(Next(*offload)->result == one.result);
  }
  REQUIRE(offload->Submit(Chunk(2, -1, 0, 10)) == 0);
  CHECK(Next(*offload)->result == -EBADF);
  REQUIRE(offload->Submit(Chunk(3, file.fd, kFileBytes - 3, 10)) == 0);
  CHECK(Next(*offload)->result == 3);
  offload->Close();
}

TEST_CASE("a numeric name is its own address, and a bad one an error of the resolver") {
  const auto offload = Open(1);
  auto call = std::make_unique<OffloadCall>(OffloadCall::Kind::kResolve, 1);
  call->text = "127.0.0.1";
  REQUIRE(offload->Submit(std::move(call)) == 0);
  const auto done = Next(*offload);
  CHECK(done->result >= 1);
  CHECK(done->addresses == "127.0.0.1\n");
  offload->Close();
}

TEST_CASE("closing does not wait for a call that goes on; its thread ends after it") {
  SocketPair pair;  // a read that ends when we write
  const int before = CountFds();
  auto offload = Open(2);
  const std::weak_ptr<Offload> watched = offload;
  auto call = Chunk(1, pair.a, -1, 1);
  REQUIRE(offload->Submit(std::move(call)) == 0);
  offload->Close();
  CHECK(CountFds() == before);
  CHECK(offload->Take() == nullptr);
  offload.reset();
  REQUIRE(write(pair.b, "x", 1) == 1);
  WaitUntilGone(watched);
}

TEST_CASE("a hundred pools are opened, used and closed at every stage, and nothing stays") {
  File file;
  const int before = CountFds();
  for (int i = 0; i < 100; i++) {
    auto offload = Open(3);
    const std::weak_ptr<Offload> watched = offload;
    for (int k = 0; k < i % 7; k++) REQUIRE(offload->Submit(Chunk(k, file.fd, 0, 5000)) == 0);
    if (i % 7 > 0 && i % 2 == 0) Next(*offload);
    if (i % 3 == 0) offload->Cancel(2);
    offload->Close();
    offload->Close();  // twice is as good as once
    offload.reset();
    WaitUntilGone(watched);
  }
  CHECK(CountFds() == before);
}
