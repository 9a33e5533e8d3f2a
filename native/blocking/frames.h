// The workload's wire protocol in C++; src/workload/frames.ts says the same in TypeScript, docs/workload.md specifies it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace underloop::blocking {

constexpr size_t kRequestHeaderBytes = 16;
constexpr size_t kReplyHeaderBytes = 64;
constexpr size_t kUpstreamFrameBytes = 8;
constexpr uint32_t kPayloadBytesMax = 1024 * 1024;
constexpr uint32_t kCpuUsMax = 60'000'000;
constexpr uint32_t kWaitMsMax = 600'000;

enum Status : uint32_t { kOk, kTooShort, kTooLong, kCpuTooLarge, kWaitTooLarge, kUpstreamFailed };

// Payload of a reply with this status. The very bytes of STATUS_REASONS: a test compares them.
constexpr const char* kStatusReasons[] = {
    "",
    "frame too short: 12 bytes of header and the payload must follow the length",
    "frame too long: a payload has at most 1048576 bytes",
    "cpuUs too large: at most 60000000",
    "waitMs too large: at most 600000",
    "the upstream failed: it refused, closed or broke the connection",
};

inline uint32_t ReadUint32(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}
inline void WriteUint32(uint8_t* bytes, uint32_t value) {
  for (int i = 0; i < 4; i++) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
}
inline void WriteUint64(uint8_t* bytes, uint64_t value) {
  for (int i = 0; i < 8; i++) bytes[i] = static_cast<uint8_t>(value >> (8 * i));
}

struct Stamps {
  uint32_t thread = 0;
  uint64_t received_ns = 0;
  uint64_t wait_started_ns = 0;
  uint64_t wait_ended_ns = 0;
  uint64_t sent_ns = 0;
  uint64_t cpu_ns = 0;
  uint64_t run_delay_ns = 0;
};

inline void WriteReplyHeader(uint8_t* bytes, uint32_t id, uint32_t status, size_t payload_bytes,
                             const Stamps& stamps) {
  WriteUint32(bytes, static_cast<uint32_t>(kReplyHeaderBytes - 4 + payload_bytes));
  WriteUint32(bytes + 4, id);
  WriteUint32(bytes + 8, status);
  WriteUint32(bytes + 12, stamps.thread);
  WriteUint64(bytes + 16, stamps.received_ns);
  WriteUint64(bytes + 24, stamps.wait_started_ns);
  WriteUint64(bytes + 32, stamps.wait_ended_ns);
  WriteUint64(bytes + 40, stamps.sent_ns);
  WriteUint64(bytes + 48, stamps.cpu_ns);
  WriteUint64(bytes + 56, stamps.run_delay_ns);
}

// What the first `have` bytes of a request tell: how many it has at least (complete if no more than `have`), or what is
// wrong with it, as early as its bytes allow.
struct Measured {
  size_t bytes;
  Status status;
};

inline Measured MeasureRequest(const uint8_t* bytes, size_t have) {
  if (have < 4) return {4, kOk};
  const uint32_t body_bytes = ReadUint32(bytes);
  if (body_bytes < 4) return {0, kTooShort};
  if (have < 8) return {8, kOk};  // the id is wanted for the refusal
  if (body_bytes < kRequestHeaderBytes - 4) return {0, kTooShort};
  if (body_bytes > kRequestHeaderBytes - 4 + kPayloadBytesMax) return {0, kTooLong};
  if (have < 12) return {12, kOk};
  if (ReadUint32(bytes + 8) > kCpuUsMax) return {0, kCpuTooLarge};
  if (have < 16) return {16, kOk};
  if (ReadUint32(bytes + 12) > kWaitMsMax) return {0, kWaitTooLarge};
  return {4 + static_cast<size_t>(body_bytes), kOk};
}

// The id of a request that is bad or not complete; 0 if it has none. A body of less than an id says nothing, though
// bytes may follow it.
inline uint32_t IdOf(const uint8_t* bytes, size_t have) {
  return have < 8 || ReadUint32(bytes) < 4 ? 0 : ReadUint32(bytes + 4);
}

}  // namespace underloop::blocking
