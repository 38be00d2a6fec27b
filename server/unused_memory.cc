// SPDX-License-Identifier: Apache-2.0
#include "server/unused_memory.h"

#include <fstream>
#include <malloc.h>
#include <unistd.h>

namespace pivot {

int64_t UnusedBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total_pages = 0;
  int64_t resident_pages = 0;
  if (!(statm >> total_pages >> resident_pages)) return 0;
  const struct mallinfo2 info = mallinfo2();
  return resident_pages * sysconf(_SC_PAGESIZE) - static_cast<int64_t>(info.uordblks + info.hblkhd);
}

void ReturnUnusedMemory(int64_t at_most) {
  if (UnusedBytes() > at_most) malloc_trim(0);
}

}  // namespace pivot
