// The buffers that receives fill: a ring of them that the kernel takes from, and those that are out or kept.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "ring.h"

namespace underloop::uring {

constexpr uint16_t kPoolGroup = 0;
// Buffers that the kernel has at a time: doubled whenever a receive finds none.
constexpr int32_t kProvidedAtFirst = 64;

class Pool {
 public:
  Pool() = default;
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  // Not before the ring that it is registered with.
  ~Pool() {
    if (places_ != nullptr) munmap(places_, bytes_);
  }

  // `count` is a power of two. 0 or -errno.
  int Open(Ring* ring, int32_t count) {
    count_ = count;
    bytes_ = static_cast<size_t>(count) * sizeof(Buffer);
    void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return -errno;
    places_ = static_cast<Buffer*>(at);
    in_send_.resize(static_cast<size_t>(count));
    BufferRingRegistration registration{};
    registration.ring_address = reinterpret_cast<uint64_t>(places_);
    registration.ring_entries = static_cast<uint32_t>(count);
    registration.group = kPoolGroup;
    return ring->Register(kRegisterBufferRing, &registration, 1);
  }
  // All buffers: `stride` apart, of `length` bytes each.
  void Fill(uint8_t* start, int32_t stride, int32_t length) {
    start_ = start;
    stride_ = static_cast<size_t>(stride);
    length_ = static_cast<uint32_t>(length);
    for (int32_t id = count_; id-- > 0;) free_.push_back(static_cast<uint16_t>(id));
    Provide();
  }

  // The kernel has taken one for a receive.
  void Taken() { provided_--; }
  // A receive found none.
  void Starved() { starved_ = true; }
  // JavaScript is given what was received; when it waits again it has seen it.
  void Delivered(uint16_t id) { delivered_.push_back(id); }
  // A send of this buffer's bytes is staged. Two connections may send from one; it goes back once.
  void SendFrom(uint16_t id) {
    if (in_send_[id]) return;
    in_send_[id] = true;
    sending_.push_back(id);
  }

  // A wait begins, whose sends have all been named. Buffers that they are of go back one wait later, when they are over
  // and JavaScript has been told which of them have failed.
  void NextWait() {
    for (const uint16_t id : sending_before_) free_.push_back(id);
    for (const uint16_t id : delivered_) {
      if (!in_send_[id]) free_.push_back(id);
    }
    for (const uint16_t id : sending_) in_send_[id] = false;
    sending_before_.swap(sending_);
    sending_.clear();
    delivered_.clear();
    Provide();
  }

 private:
  // The kernel takes buffers in the order in which they were given. So it is given no more than are needed, and the
  // rest is kept: memory that was used a moment ago is in the processor's caches still.
  void Provide() {
    if (starved_ && provided_max_ < count_) provided_max_ *= 2;
    starved_ = false;
    for (; provided_ < provided_max_ && !free_.empty(); provided_++) {
      const uint16_t id = free_.back();
      free_.pop_back();
      Buffer* place = &places_[tail_++ & (count_ - 1)];
      place->address = reinterpret_cast<uint64_t>(start_ + id * stride_);
      place->length = length_;
      place->id = id;  // not `tail`, which is the ring's in its first place
    }
    __atomic_store_n(&places_[0].tail, tail_, __ATOMIC_RELEASE);
  }

  Buffer* places_ = nullptr;
  size_t bytes_ = 0;
  int32_t count_ = 0;
  uint16_t tail_ = 0;
  uint8_t* start_ = nullptr;
  size_t stride_ = 0;
  uint32_t length_ = 0;
  int32_t provided_ = 0;
  int32_t provided_max_ = kProvidedAtFirst;
  bool starved_ = false;
  std::vector<uint16_t> free_;
  std::vector<uint16_t> delivered_;
  std::vector<uint16_t> sending_;
  std::vector<uint16_t> sending_before_;
  std::vector<bool> in_send_;
};

}  // namespace underloop::uring
