// Requests as the blocking servers measure them: no byte is read that has not come, and each refusal is as early as it can be.
#include "blocking/frames.h"

#include <memory>
#include <random>

#include "tools.h"

using namespace underloop::blocking;

namespace {

// A copy that ends where the bytes do, so that AddressSanitizer sees the first byte read beyond them.
struct Exact {
  std::unique_ptr<uint8_t[]> bytes;
  Exact(const uint8_t* from, size_t count) : bytes(new uint8_t[count]) { memcpy(bytes.get(), from, count); }
};

void Write(uint8_t* bytes, uint32_t body, uint32_t id, uint32_t cpu_us, uint32_t wait_ms) {
  WriteUint32(bytes, body);
  WriteUint32(bytes + 4, id);
  WriteUint32(bytes + 8, cpu_us);
  WriteUint32(bytes + 12, wait_ms);
}

}  // namespace

TEST_CASE("a request is measured by whatever has come of it, and asks for no more than it needs") {
  uint8_t request[kRequestHeaderBytes];
  Write(request, kRequestHeaderBytes - 4 + 100, 7, kCpuUsMax, kWaitMsMax);
  for (size_t have = 0; have <= sizeof request; have++) {
    const Exact exact(request, have);
    const Measured measured = MeasureRequest(exact.bytes.get(), have);
    CHECK(measured.status == kOk);
    CHECK(measured.bytes > have);
    CHECK(measured.bytes <= kRequestHeaderBytes + 100);
    CHECK(IdOf(exact.bytes.get(), have) == (have < 8 ? 0 : 7));
  }
}

TEST_CASE("each fault of a request is named, at the first byte that shows it") {
  const struct {
    uint32_t body, cpu_us, wait_ms;
    Status status;
    size_t shown_at;
  } cases[] = {{0, 0, 0, kTooShort, 4},
               {3, 0, 0, kTooShort, 4},
               {4, 0, 0, kTooShort, 8},
               {11, 0, 0, kTooShort, 8},
               {12 + kPayloadBytesMax + 1, 0, 0, kTooLong, 8},
               {0xffffffff, 0, 0, kTooLong, 8},
               {12, kCpuUsMax + 1, 0, kCpuTooLarge, 12},
               {12, 0, kWaitMsMax + 1, kWaitTooLarge, 16}};
  for (const auto& one : cases) {
    uint8_t request[kRequestHeaderBytes];
    Write(request, one.body, 1, one.cpu_us, one.wait_ms);
    for (size_t have = 0; have <= sizeof request; have++) {
      const Exact exact(request, have);
      CHECK(MeasureRequest(exact.bytes.get(), have).status == (have < one.shown_at ? kOk : one.status));
    }
  }
}

TEST_CASE("random bytes are measured or refused, and never read beyond their end") {
  std::mt19937 random(20260102);
  for (int i = 0; i < 20000; i++) {
    uint8_t bytes[24];
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 4 == 0 ? random() : 0);
    const size_t have = random() % (sizeof bytes + 1);
    const Exact exact(bytes, have);
    const Measured measured = MeasureRequest(exact.bytes.get(), have);
    if (measured.status == kOk) CHECK(measured.bytes <= kRequestHeaderBytes + kPayloadBytesMax);
    IdOf(exact.bytes.get(), have);
  }
}

TEST_CASE("a reply's header holds what was stamped, little-endian") {
  uint8_t bytes[kReplyHeaderBytes];
  Stamps stamps;
  stamps.thread = 0x01020304;
  stamps.run_delay_ns = 0x1122334455667788;
  WriteReplyHeader(bytes, 5, kWaitTooLarge, 10, stamps);
  CHECK(ReadUint32(bytes) == kReplyHeaderBytes - 4 + 10);
  CHECK(ReadUint32(bytes + 4) == 5);
  CHECK(ReadUint32(bytes + 8) == kWaitTooLarge);
  CHECK(bytes[12] == 4);
  CHECK(bytes[63] == 0x11);
}
