// Deliberate faults, one per kind of report: the proof that the sanitizers would see ours. Exported to JavaScript by faults_addon.cc.
#include "faults.h"

#include <cstdlib>
#include <thread>

namespace underloop::faults {

// The compiler must neither see through a fault nor leave it out.
template <typename T>
static T* Opaque(T* pointer) {
  asm volatile("" : "+r"(pointer) : : "memory");
  return pointer;
}

void HeapOverflow() {
  char* bytes = Opaque(static_cast<char*>(malloc(8)));
  bytes[8] = 1;
  free(Opaque(bytes));
}

void UseAfterFree() {
  char* bytes = Opaque(static_cast<char*>(malloc(8)));
  free(bytes);
  *Opaque(bytes) = 1;
}

void Leak() {
  // Several, in a frame of their own: a stale copy of the last pointer in a register or on the stack would save it.
  for (int i = 0; i < 4; i++) Opaque(static_cast<char*>(malloc(1234)));
}

void SignedOverflow() {
  int largest = 0x7fffffff;
  Opaque(&largest);
  largest++;
  Opaque(&largest);
}

void DataRace() {
  int shared = 0;
  int* const both = Opaque(&shared);
  std::thread other([both] {
    for (int i = 0; i < 1000; i++) Opaque(both)[0]++;
  });
  for (int i = 0; i < 1000; i++) Opaque(both)[0]++;
  other.join();
}

void (*Find(std::string_view name))() {
  if (name == "heap overflow") return HeapOverflow;
  if (name == "use after free") return UseAfterFree;
  if (name == "leak") return Leak;
  if (name == "signed overflow") return SignedOverflow;
  if (name == "data race") return DataRace;
  return nullptr;
}

}  // namespace underloop::faults
