// Commits the deliberate fault that its argument names.
#include "faults.h"

int main(int count, char** arguments) {
  const auto fault = count == 2 ? underloop::faults::Find(arguments[1]) : nullptr;
  if (fault == nullptr) return 2;
  fault();
  return 0;
}
